"""Generations of other tools: each format as its tool writes it, matched to questions, or refused with the line."""

import io
import json
import struct
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from l2s.config import validate
from l2s.contracts.parquet import table_of, write_table
from l2s.contracts.responses import RESPONSES
from l2s.errors import UserError
from l2s.sources.imports import ImportedFile, ImportEntry, Question, read_generations
from l2s.sources.records import ZSTD

QUESTIONS = [Question("a", "What is 1+1?"), Question("b", "What is\n2 + 2?"), Question("c", "What is 3*3?")]


def jsonl(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def parquet(rows):
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def inspect_sample(name, text, epoch=1, grade="C"):
    choice = {"message": {"role": "assistant", "content": text}, "stop_reason": "stop"}
    asked = [{"role": "user", "content": next(one.text for one in QUESTIONS if one.question_id == name)}]
    return {
        "id": name, "epoch": epoch, "input": asked, "target": "2", "output": {"model": "m", "choices": [choice]},
        "scores": {"match": {"value": grade, "answer": "2"}},
    }  # fmt: skip


def packed(samples):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps({"version": 2, "status": "success"}))
        for sample in samples:
            archive.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
    return buffer.getvalue()


def packed_as_inspect_does_now(samples):
    """Pack a log with zstd. Python writes that from 3.14 on only: entries are stored, and their number is changed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for sample in samples:
            data = pa.compress(json.dumps(sample).encode(), "zstd", asbytes=True)
            archive.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", data)
        places = [entry.header_offset + 8 for entry in archive.infolist()]
        start = archive.start_dir
    data = bytearray(buffer.getvalue())
    while data[start : start + 4] == b"PK\1\2":
        places.append(start + 10)
        start += 46 + sum(struct.unpack_from("<3H", data, start + 28))
    for place in places:
        struct.pack_into("<H", data, place, ZSTD)
    return bytes(data)


def asked(number):
    return QUESTIONS[number].text


TOOLKIT = [
    {"idx": n, "question": asked(n), "gt": "2", "code": [f"r{n}", "x"], "pred": ["2", ""], "score": [True, False]}
    for n in range(3)
]
LM_EVAL = [
    {"doc_id": n, "doc": {"question": asked(n), "answer": "2"}, "target": "2", "arguments": {}, "filter": kind,
     "resps": [[f"r{n}"]], "filtered_resps": ["2"], "metrics": ["exact_match"], "exact_match": float(n == 0)}
    for n in range(3) for kind in ("strict-match", "flexible-extract")
]  # fmt: skip
LIGHTEVAL = [
    {"doc": {"query": f"Solve: {asked(n)} Think.", "id": str(n)}, "model_response": {"text": [f"r{n}"],
     "output_tokens": [[7, 8, 9]]}, "metric": {"extractive_match": float(n == 0)}}
    for n in range(3)
]  # fmt: skip
INSPECT = [inspect_sample(question.question_id, f"r{n}", grade="CI"[n > 0]) for n, question in enumerate(QUESTIONS)]
PLAIN = [{"question": f"  {asked(n)} ", "response": f"r{n}", "score": float(n == 0)} for n in range(3)]
FORMATS = {
    "toolkit": ("o.jsonl", jsonl(*TOOLKIT)),
    "lm_eval": ("samples_x.jsonl", jsonl(*LM_EVAL)),
    "lighteval": ("details.parquet", parquet(LIGHTEVAL)),
    "inspect": ("log.eval", packed(INSPECT)),
    "plain": ("p.jsonl", jsonl(*PLAIN)),
}


@pytest.fixture
def imported(tmp_path):
    """Import a file, given by its name and bytes."""

    def run(name, data, kind, **keys):
        (tmp_path / name).write_bytes(data)
        part = ImportedFile(file=str(tmp_path / name), format=kind, benchmark="b", **keys)
        return read_generations(part, QUESTIONS, "config/imports/mine.yaml")

    return run


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_texts_and_scores_by_question(imported, kind):
    found = [one for one in imported(*FORMATS[kind], kind) if one.generation.sample == 0]
    assert [(one.question_id, one.generation.text) for one in found] == [("a", "r0"), ("b", "r1"), ("c", "r2")]
    scores = [one.generation.score for one in found]
    assert scores == ([1.0, 1.0, 1.0] if kind == "toolkit" else [1.0, 0.0, 0.0])


def test_what_a_format_knows_besides_is_kept(imported):
    assert [one.generation.sample for one in imported(*FORMATS["toolkit"], "toolkit")] == [0, 1] * 3
    assert imported(*FORMATS["lighteval"], "lighteval")[0].generation.output_ids == [7, 8, 9]
    assert imported(*FORMATS["inspect"], "inspect")[0].generation.finish_reason == "stop"
    log = json.dumps({"version": 2, "samples": INSPECT}).encode()
    assert len(imported("log.json", log, "inspect")) == 3


def test_reasoning_that_a_log_keeps_apart_comes_before_the_answer(imported):
    content = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "2"}]
    samples = [inspect_sample(question.question_id, content) for question in QUESTIONS]
    assert imported("log.eval", packed(samples), "inspect")[0].generation.text == "<think>\nhm\n</think>\n\n2"


def test_a_log_packed_with_zstd_is_read_and_a_damaged_one_is_named(imported):
    data = packed_as_inspect_does_now(INSPECT)
    assert [one.generation.text for one in imported("log.eval", data, "inspect")] == ["r0", "r1", "r2"]
    damaged = data.replace(b"\x28\xb5\x2f\xfd", b"\0\0\0\0", 1)
    with pytest.raises(UserError, match=r"log.eval: not a log of Inspect"):
        imported("log.eval", damaged, "inspect")


def test_the_names_of_columns_that_lightevals_documentation_gives_are_read_too(imported):
    rows = [{f"__{name}__": value for name, value in row.items()} for row in LIGHTEVAL]
    assert len(imported("details.parquet", parquet(rows), "lighteval")) == 3


def test_of_this_projects_responses_those_are_read_that_were_not_cut(imported, tmp_path):
    empty = dict.fromkeys(RESPONSES.names)
    known = {"sample": 0, "output_tokens": 5, "retokenized": 4, "finish_reason": "length"}
    rows = [
        {**empty, **known, "benchmark": benchmark, "question_id": one.question_id, "text": f"r{n}", "budget": budget}
        for n, one in enumerate(QUESTIONS)
        for benchmark, budget in (("b", None), ("b", 3), ("other", None))
    ]
    write_table(table_of(rows, RESPONSES), tmp_path / "source.parquet")
    found = imported("r.parquet", (tmp_path / "source.parquet").read_bytes(), "l2s")
    assert [(one.question_id, one.generation.text) for one in found] == [("a", "r0"), ("b", "r1"), ("c", "r2")]
    assert {one.generation.response["finish_reason"] for one in found} == {"length"}


def test_an_entry_that_names_a_benchmark_twice_is_refused():
    part = {"file": "x.jsonl", "format": "plain", "benchmark": "b"}
    with pytest.raises(UserError, match=r"mine.yaml: key 'files': several items have benchmark b: give one"):
        validate(ImportEntry, {"tokenizer": "t", "files": [part, {**part, "file": "y.jsonl"}]}, "mine.yaml")


@pytest.mark.parametrize(
    ("name", "data", "kind", "message"),
    [
        ("a.jsonl", b"", "plain", r"a.jsonl: the file is empty"),
        ("a.jsonl", jsonl(PLAIN[0]) + b"{oops\n", "plain", r"a.jsonl, line 2: not valid JSON"),
        ("a.jsonl", jsonl(*TOOLKIT), "plain", r"line 1: not of format 'plain' \(field response .*looks like .*toolkit"),
        ("a.jsonl", jsonl(PLAIN[0], {"question": "x"}), "plain", r"line 2: field 'response' is missing"),
        ("a.jsonl", jsonl(*PLAIN, PLAIN[1]), "plain", r"line 4: sample 0 of question 'b' was already at .*line 2"),
        ("a.jsonl", jsonl(*PLAIN, {"question": "Who?", "response": "I"}), "plain", r"line 4: its question \('Who\?'\)"),
        ("a.jsonl", jsonl(*PLAIN[:2]), "plain", r"1 of 3 questions of benchmark 'b' have no generation.*'c'"),
        ("a.jsonl", jsonl({**PLAIN[0], "score": 7}, *PLAIN[1:]), "plain", r"line 1: field 'score' must be a score"),
        ("a.parquet", b"PAR1", "lighteval", r"a.parquet: not a readable Parquet file"),
        ("a.eval", b"PK", "inspect", r"a.eval: not a log of Inspect"),
        ("a.txt", b"x", "plain", r"a.txt: a file of generations ends in"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(imported, name, data, kind, message):
    with pytest.raises(UserError, match=message):
        imported(name, data, kind)


def test_a_part_of_a_benchmark_must_be_asked_for(imported):
    rows = [PLAIN[2], {"question": "Who?", "response": "I"}]
    found = imported("a.jsonl", jsonl(*rows), "plain", partial=True)
    assert [(one.question_id, one.generation.text) for one in found] == [("c", "r2")]


def test_a_pinned_file_that_changed_and_an_unknown_format_are_refused(imported):
    with pytest.raises(UserError, match=r"key 'sha256': .* is not the pinned file"):
        imported(*FORMATS["plain"], "plain", sha256="0" * 64)
    with pytest.raises(ValueError, match=r"unknown format 'tolkit'; did you mean 'toolkit'"):
        ImportedFile(file="x.jsonl", format="tolkit", benchmark="b")
