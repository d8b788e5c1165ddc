"""Files of generations that are broken or made to mislead: the line is named, and nothing runs."""

import io
import json
import os
import zipfile

import pytest
from hostile import refused

from l2s.sources.imports import ImportedFile, Question, read_generations

QUESTIONS = [Question("0", "What is 1+1?"), Question("1", "What is 2+2?")]
GOOD = {"question": "What is 1+1?", "response": "2"}


def read(file, form="plain"):
    """Read a file as an import does."""
    part = ImportedFile(file=str(file), format=form, benchmark="sums", partial=True)
    return read_generations(part, QUESTIONS, "import")


LINES = {
    "no JSON": ("{", "line 2: not valid JSON"),
    "nested brackets": ("[" * 100_000, "line 2: not valid JSON"),
    "a list": ("[]", "line 2: expected an object"),
    "a word": ('"x"', "line 2: expected an object"),
    "a number of 5,000 digits": ('{"response": ' + "9" * 5000 + "}", "line 2: not valid JSON"),
    "half a character": ('{"question": "What is 2+2?", "response": "\\ud800"}', "line 2: holds half a character"),
    "half a character as name": ('{"\\udfff": 1}', "line 2: holds half a character"),
    "no response": ('{"question": "What is 2+2?"}', "line 2: field 'response.*' is missing"),
    "a response that is a number": ('{"question": "What is 2+2?", "response": 4}', "line 2: field 'response"),
    "a response that is a list of lists": (
        '{"question": "What is 2+2?", "response": [["4"]]}',
        "line 2: field 'respon",
    ),
    "no text": (b"\xff\xfe", "line 2: not valid JSON"),
    "a sample twice": (json.dumps(GOOD), "line 2: sample 0 of question '0' was already at"),
}


@pytest.mark.parametrize("case", LINES)
def test_a_broken_line_of_generations_is_named(tmp_path, case):
    line, message = LINES[case]
    data = json.dumps(GOOD).encode() + b"\n" + (line if isinstance(line, bytes) else line.encode()) + b"\n"
    (tmp_path / "x.jsonl").write_bytes(data)
    with refused(rf"x.jsonl.*{message}", tmp_path):
        read(tmp_path / "x.jsonl")


FILES = {
    "an empty file": ("x.jsonl", b"", "the file is empty"),
    "blank lines": ("x.jsonl", b"\n\n \n", "the file is empty"),
    "Parquet that is none": ("x.parquet", b"PAR1 evil PAR1", "not a readable Parquet file"),
    "an empty Parquet file": ("x.parquet", b"", "not a readable Parquet file"),
    "a log that is none": ("x.eval", b"PK\3\4 evil", "not a log of Inspect"),
    "an empty log": ("x.eval", b"", "not a log of Inspect"),
    "a log without samples": ("x.json", b"{}", "it has no list 'samples'"),
    "a log of nested brackets": ("x.json", b"[" * 100_000, "not valid JSON"),
    "a pickle": ("x.pkl", b"\x80\4.", "a file of generations ends in"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_holds_no_generations_is_named(tmp_path, case):
    name, data, message = FILES[case]
    (tmp_path / name).write_bytes(data)
    with refused(rf"{name}.*{message}", tmp_path):
        read(tmp_path / name)


def test_a_log_that_unpacks_to_terabytes_is_refused_before_it_is_unpacked(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("samples/1.json", b"0" * 1000)
    data = buffer.getvalue().replace((1000).to_bytes(4, "little"), (4_000_000_000).to_bytes(4, "little"))
    (tmp_path / "x.eval").write_bytes(data)
    with refused("x.eval, samples/1.json: unpacks to 4,000,000,000 bytes", tmp_path):
        read(tmp_path / "x.eval", "inspect")


def test_a_log_whose_samples_lead_out_of_it_writes_nothing(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.eval", "w") as archive:
        archive.writestr("samples/../../evil.json", "{}")
    with refused("x.eval", tmp_path):
        read(tmp_path / "x.eval", "inspect")


def test_a_pipe_in_place_of_a_file_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "x.jsonl")
    with refused(r"there is no file .*x.jsonl"):
        read(tmp_path / "x.jsonl")
