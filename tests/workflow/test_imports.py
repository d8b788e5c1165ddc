"""What another tool generated, from its file to a table: 800 real responses of the Qwen2.5-Math toolkit."""

import json
import re
from pathlib import Path

import pytest
import yaml
from project import new_project

from l2s.contracts.grades import GRADES
from l2s.contracts.parquet import read_table
from l2s.contracts.responses import RESPONSES, UNKNOWN
from l2s.contracts.table import TABLE
from l2s.layout import IMPORTED, Layout, imported

NAME = "cot_100"
BENCHMARK = {
    "source": {"path": "files/cot_100.jsonl"}, "id": {"column": "idx"}, "question": {"column": "question"},
    "gold": {"column": "answer", "extract": "latex"}, "rows": 100,
}  # fmt: skip
IMPORT = {
    "label": "Qwen2.5-Math, eight samples",
    "tokenizer": "demo-slow",
    "files": [{"file": "files/cot_*.jsonl", "format": "toolkit", "benchmark": NAME}],
}
STUDY = {"title": "An audit", "imports": [NAME], "benchmarks": [NAME], "grader": "toolkit"}


@pytest.fixture(scope="module")
def project(real_data, tmp_path_factory):
    project = new_project(tmp_path_factory.mktemp("imports"))
    config, files = project.folder / "config", project.folder / "files"
    files.mkdir()
    (files / "cot_100.jsonl").write_bytes((real_data / "outputs" / "qwen_math_cot_100.jsonl").read_bytes())
    (config / "imports").mkdir(exist_ok=True)
    for folder, entry in (("benchmarks", BENCHMARK), ("imports", IMPORT), ("studies", STUDY)):
        (config / folder / f"{NAME}.yaml").write_text(yaml.safe_dump(entry))
    (config / "audit.yaml").write_text(yaml.safe_dump({"results": "results/audit", "studies": [NAME]}))
    project.run(config="config/audit.yaml")
    return project


@pytest.fixture(scope="module")
def layout(project):
    return Layout(str(project.folder / "results" / "audit"))


def test_every_response_is_imported_with_the_score_of_the_tool_that_generated_it(layout):
    table = read_table(Path(layout.responses(imported(NAME), IMPORTED)), RESPONSES)
    assert len(table) == 800
    assert set(table["finish_reason"].to_pylist()) == {UNKNOWN}
    assert set(table["sample"].to_pylist()) == set(range(8))
    assert min(table["output_tokens"].to_pylist()) > 0
    assert None not in table["imported_score"].to_pylist()


def test_the_toolkits_rules_grade_as_the_toolkit_did(layout):
    scores = read_table(Path(layout.responses(imported(NAME), IMPORTED)), RESPONSES)["imported_score"].to_pylist()
    outcomes = read_table(Path(layout.grades(imported(NAME), IMPORTED, "toolkit")), GRADES)["outcome"].to_pylist()
    same = [(outcome == "correct") == (score == 1) for outcome, score in zip(outcomes, scores, strict=True)]
    assert sum(same) / len(same) >= 0.995


def test_the_table_shows_both_graders_and_the_imported_score_and_no_share_of_truncation(layout):
    own, other = read_table(Path(layout.table(NAME)), TABLE).to_pylist()
    assert (own["grader"], other["grader"]) == ("toolkit", "math_verify")
    assert (own["questions"], own["responses"]) == (100, 800)
    assert own["truncated"] is None and own["looping"] is None, "no one knows how they ended"
    assert own["accuracy"] == pytest.approx(own["imported_accuracy"], abs=0.005)
    text = Path(layout.table(NAME, "md")).read_text()
    assert "Imported %" in text and "Qwen2.5-Math, eight samples" in text and "| ?" in text


def test_a_new_run_within_its_tolerances_passes_and_one_beyond_them_fails_with_what_is_broken(project):
    """The stored run is a responses file of this project; the new one is what it was imported from, in part altered."""
    config, files = project.folder / "config", project.folder / "files"
    stored = {**IMPORT, "label": "stored", "files": [{**IMPORT["files"][0], "format": "l2s"}]}
    stored["files"][0]["file"] = f"results/audit/responses/imports/{NAME}/imported.parquet"
    (config / "imports" / "stored.yaml").write_text(yaml.safe_dump(stored))
    rows = [json.loads(line) for line in (files / "cot_100.jsonl").read_text().splitlines()]
    for row in rows[:30]:
        row["code"] = ["I do not know." for _ in row["code"]]
    (files / "worse.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    worse = {**IMPORT, "label": "worse", "files": [{**IMPORT["files"][0], "file": "files/worse.jsonl"}]}
    (config / "imports" / "worse.yaml").write_text(yaml.safe_dump(worse))
    drift = {**STUDY, "kind": "drift", "reference": "stored", "tolerances": {"accuracy": 1, "length": 1}}
    (config / "studies" / "same.yaml").write_text(yaml.safe_dump(drift))
    (config / "studies" / "broken.yaml").write_text(yaml.safe_dump({**drift, "imports": ["worse"]}))
    (config / "drift.yaml").write_text(yaml.safe_dump({"results": "results/drift", "studies": ["same", "broken"]}))
    project.run("--", "same", config="config/drift.yaml")
    assert "within all tolerances: accuracy 1" in (project.folder / "results/drift/drift/same.txt").read_text()
    failed = project.snakemake("--", "broken", config="config/drift.yaml")
    assert failed.returncode == 1
    assert "2 tolerances are broken or cannot be checked" in failed.stdout
    assert re.search(r"worse, cot_100: accuracy is 2\d\.\d points lower \[.*allowed are 1", failed.stdout)
    assert (project.folder / "results/drift/tables/broken.html").is_file(), "the report stays"


def test_another_local_tokenizer_counts_the_lengths_again(project):
    file = project.folder / "workflow/resources/demo/slow/tokenizer.json"
    before = file.read_bytes()
    file.write_bytes(before.replace(b"{", b"{ ", 1))
    try:
        assert "import_generations" in {job.rule for job in project.stale(config="config/audit.yaml")}
    finally:
        file.write_bytes(before)


def test_a_second_run_does_nothing_and_another_file_is_imported_again(project):
    assert project.stale(config="config/audit.yaml") == []
    file = project.folder / "files" / "cot_100.jsonl"
    file.write_bytes(file.read_bytes().replace(b"reasoning", b"Reasoning", 1))
    rules = {job.rule for job in project.stale(config="config/audit.yaml")}
    assert {"import_generations", "grade", "make_table"} <= rules
