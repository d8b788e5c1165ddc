"""Calibration data of two sources, as the authors make theirs of s1K and s1K-1.1, from local files and from the hub.

The rows are built as those of the two data sets are, in another order in the second one.
"""

import json
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hub_mirror import HubMirror
from support import ROOT

from l2s.config import read_values, validate
from l2s.contracts.calibration_data import CALIBRATION_DATA
from l2s.contracts.parquet import read_table
from l2s.errors import UserError
from l2s.experiment.registry import Registry
from l2s.experiment.schema import MainConfig
from l2s.sources.calibration_data import CalibrationDataEntry, load_calibration_data

QUESTIONS = ["What is 1+1?\n", "Find {x} in \\{1, 2\\}.", "Which prime is even?"]
FIRST = [
    {
        "solution": f"short {number}",
        "question": question,
        "cot_type": "math",
        "cot": None,
        "thinking_trajectories": [f"long {number}"],
        "attempt": f"attempt {number}",
    }
    for number, question in enumerate(QUESTIONS)
]
SECOND = [
    {
        "solution": "not taken",
        "question": question.strip(),
        "gemini_attempt": "not taken",
        "deepseek_thinking_trajectory": f"\nthought {number} {{x}}",
        "deepseek_attempt": f"said \\1 {number}\n",
    }
    for number, question in reversed(list(enumerate(QUESTIONS)))
]
ANSWERS = [f"<think>\nthought {number} {{x}}</think><answer>said \\1 {number}\n</answer>" for number in range(3)]


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"path": str(path)}


def values_of(name, first, second, **changes):
    """Return an entry of the project with other sources and two rows taken."""
    values = read_values(ROOT / "config" / "calibration_data" / f"{name}.yaml")
    joined = values["join"] and {**values["join"], "source": second}
    return {**values, "source": first, "join": joined, "count": 2, **changes}


def load(values):
    return load_calibration_data(validate(CalibrationDataEntry, values, "set.yaml"), "set.yaml").to_pylist()


@pytest.fixture(params=["jsonl", "parquet"])
def sources(request, tmp_path):
    return [write(tmp_path / f"{name}.{request.param}", rows) for name, rows in (("s1k", FIRST), ("s1k11", SECOND))]


def test_the_authors_data_have_s1ks_short_answers_and_the_long_ones_of_the_same_question(sources):
    assert load(values_of("s1k", *sources)) == [
        {
            "row_id": str(number),
            "question": QUESTIONS[number].strip(),
            "quick_answer": f"short {number}",
            "slow_answer": ANSWERS[number],
        }
        for number in range(2)
    ]


def test_rows_drawn_at_random_keep_their_numbers_and_their_answers(sources):
    drawn = [load(values_of("s1k-random", *sources, seed=seed)) for seed in range(9)]
    assert {tuple(row["row_id"] for row in rows) for rows in drawn} == {("0", "1"), ("0", "2"), ("1", "2")}
    for row in (row for rows in drawn for row in rows):
        assert row["slow_answer"] == ANSWERS[int(row["row_id"])]


def test_the_variant_of_s1k_alone_takes_its_attempts_and_trajectories(sources):
    rows = load(values_of("s1k-attempt", *sources))
    assert [(row["quick_answer"], row["slow_answer"]) for row in rows] == [
        ("attempt 0", "long 0"),
        ("attempt 1", "long 1"),
    ]


def test_the_sha256_is_that_of_the_composed_rows(sources, tmp_path, capsys):
    load(values_of("s1k", *sources))
    digest = capsys.readouterr().out.split()[-1]
    altered = write(tmp_path / "altered.jsonl", [{**row, "deepseek_attempt": "other"} for row in SECOND])
    load(values_of("s1k", *sources, sha256=digest))
    with pytest.raises(UserError, match=r"the sha256 of the rows is .* are not the pinned ones"):
        load(values_of("s1k", sources[0], altered, sha256=digest))


@pytest.mark.parametrize(
    ("second", "count", "message"),
    [
        (SECOND[:2], 1, r"set.yaml \(.*/s1k.jsonl\), row 1: .* column 'question' is in 0 rows of set.yaml \(.*/other"),
        ([*SECOND, SECOND[1]], 2, r"s1k.jsonl\), row 2: .* in 2 rows of .*other.jsonl\); it must be in exactly one"),
        ([{"q": "1"}], 1, r"set.yaml \(.*/other.jsonl\), row 1: there is no column 'question'"),
        ([{**row, "deepseek_attempt": ""} for row in SECOND], 1, r"row 1: column 'deepseek_attempt' holds nothing"),
    ],
)
def test_rows_without_exactly_one_partner_are_told_with_both_sources(tmp_path, second, count, message):
    sources = write(tmp_path / "s1k.jsonl", FIRST), write(tmp_path / "other.jsonl", second)
    with pytest.raises(UserError, match=message):
        load(values_of("s1k", *sources, count=count))


def test_a_row_that_is_not_taken_needs_no_partner(tmp_path):
    sources = write(tmp_path / "s1k.jsonl", FIRST), write(tmp_path / "other.jsonl", SECOND[1:])
    assert len(load(values_of("s1k", *sources))) == 2


@pytest.mark.parametrize(
    ("slow", "message"),
    [
        ({"text": "<think>{deepseek_thinking}</think>"}, "no column 'deepseek_thinking'; did you mean 'deepseek_think"),
        ({"text": "{deepseek_attempt}", "column": "attempt"}, "key 'slow': give either 'column' or 'text'"),
        ({}, "key 'slow': give either 'column' or 'text'"),
        ({"text": "<think></think>"}, "key 'slow': 'text' must name a column in braces"),
        ({"text": "{attempt}", "pattern": "(.*)"}, "key 'slow': 'pattern' and 'extract' go with 'column'"),
    ],
)
def test_mistakes_in_composed_answers_are_told(tmp_path, slow, message):
    sources = write(tmp_path / "s1k.jsonl", FIRST), write(tmp_path / "other.jsonl", SECOND)
    with pytest.raises(UserError, match=message):
        load(values_of("s1k", *sources, slow=slow))


def test_both_local_files_are_named_and_must_exist(tmp_path):
    first, second = write(tmp_path / "s1k.jsonl", FIRST), {"path": str(tmp_path / "missing.jsonl")}
    (tmp_path / "calibration_data").mkdir()
    (tmp_path / "calibration_data" / "pair.yaml").write_text(yaml.safe_dump(values_of("s1k", first, second)))
    registry = Registry(tmp_path, MainConfig(results="r", studies=("any",), merge_threads=1))
    with pytest.raises(UserError, match=r"pair.yaml: key 'join.source.path': there is no file .*missing.jsonl"):
        registry.calibration_data("pair")
    write(tmp_path / "missing.jsonl", SECOND)
    assert list(registry.calibration_data("pair").local_files.values()) == [first["path"], second["path"]]


@pytest.mark.slow
def test_both_sources_come_from_the_hub_as_parquet(tmp_path):
    entry = read_values(ROOT / "config" / "calibration_data" / "s1k.yaml")
    revision = entry["source"]["revision"]  # the mirror has one commit for all
    first, second = (dict(source, revision=revision) for source in (entry["source"], entry["join"]["source"]))
    for source, rows in ((first, FIRST), (second, SECOND)):
        folder = tmp_path / "hub" / source["repo"]
        write(folder / "data" / "train-00000-of-00001.parquet", rows)
        (folder / "README.md").write_text("---\nlanguage: en\n---\n")
    (tmp_path / "set.yaml").write_text(yaml.safe_dump(values_of("s1k", first, second)))
    command = [sys.executable, str(ROOT / "scripts/load_calibration_data.py")]
    command += ["--entry", str(tmp_path / "set.yaml"), "--out", str(tmp_path / "set.parquet")]
    with HubMirror(tmp_path / "hub", revision) as hub:
        environment = {**os.environ, "HF_HOME": str(tmp_path / "cache"), "HF_ENDPOINT": hub.endpoint}
        environment["HF_HUB_DISABLE_XET"] = "1"
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = read_table(tmp_path / "set.parquet", CALIBRATION_DATA).to_pylist()
    assert [row["slow_answer"] for row in rows] == ANSWERS[:2]
    assert [row["quick_answer"] for row in rows] == ["short 0", "short 1"]
