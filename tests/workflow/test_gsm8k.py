"""The whole DAG over real GSM8K questions: the demo pair cannot solve them, and the table must say so."""

import shutil

import pytest
import yaml
from project import new_project

from l2s.analysis.table import overall
from l2s.contracts.grades import GRADES, Outcome
from l2s.contracts.parquet import read_table
from l2s.contracts.questions import QUESTIONS
from l2s.contracts.responses import FINISH_REASONS, RESPONSES
from l2s.contracts.table import TABLE

COUNT, BUDGET = 40, 64


@pytest.fixture(scope="module")
def results(real_data, tmp_path_factory):
    project = new_project(tmp_path_factory.mktemp("gsm8k"))
    config = project.folder / "config"
    benchmark = yaml.safe_load((config / "benchmarks" / "gsm8k.yaml").read_text())
    benchmark["first"] = COUNT
    (project.folder / "files").mkdir()
    shutil.copy(real_data / "benchmarks" / "gsm8k.jsonl", project.folder / "files" / "gsm8k_40.jsonl")
    (config / "benchmarks" / "gsm8k_40.yaml").write_text(yaml.safe_dump(benchmark))
    decoding = yaml.safe_load((config / "decoding" / "demo.yaml").read_text())
    (config / "decoding" / "short.yaml").write_text(yaml.safe_dump({**decoding, "max_new_tokens": BUDGET}))
    study = yaml.safe_load((config / "studies" / "demo.yaml").read_text())
    study.update(benchmarks=["gsm8k_40"], decoding="short", recipes=["task_arithmetic", "dare_ties"])
    study = {key: value for key, value in study.items() if key not in ("budgets", "figures", "audits")}
    (config / "studies" / "real.yaml").write_text(yaml.safe_dump(study))
    settings = {"results": "results/real", "studies": ["real"], "merge_threads": 1, "benchmark_files": "files"}
    (config / "real.yaml").write_text(yaml.safe_dump(settings))
    project.run(config="config/real.yaml")
    return project.folder / "results" / "real"


def test_questions_are_the_real_ones(results):
    rows = read_table(results / "questions" / "gsm8k_40.parquet", QUESTIONS).to_pylist()
    assert len(rows) == COUNT
    assert rows[0]["question"].startswith("Janet’s ducks lay 16 eggs per day.")
    assert [row["gold"] for row in rows[:3]] == ["18", "3", "70000"]


def test_responses_are_whole_and_within_the_budget(results):
    paths = list(results.glob("responses/**/*.parquet"))
    assert len(paths) == 4
    for path in paths:
        rows = read_table(path, RESPONSES).to_pylist()
        assert [row["question_id"] for row in rows] == [str(number) for number in range(COUNT)]
        assert all(0 < row["output_tokens"] <= BUDGET for row in rows)
        assert {row["finish_reason"] for row in rows} <= set(FINISH_REASONS)
        assert all((row["finish_reason"] == "length") <= (row["output_tokens"] == BUDGET) for row in rows)


def test_grades_have_an_outcome_for_each_response(results):
    for path in results.glob("grades/**/*.parquet"):
        rows = read_table(path, GRADES).to_pylist()
        assert len(rows) == COUNT
        assert {row["outcome"] for row in rows} <= {outcome.value for outcome in Outcome}
        assert {row["read_at"] for row in rows} == {None}


def test_table_reports_an_accuracy_near_zero_as_such(results):
    lines = overall(read_table(results / "tables" / "real.parquet", TABLE)).to_dict("records")
    assert [line["method"] for line in lines] == ["quick", "slow", "task_arithmetic", "dare_ties"]
    for line in lines:
        assert line["questions"] == COUNT
        assert line["accuracy"] <= 0.1
        assert line["accuracy_low"] == pytest.approx(0, abs=0.05) and line["accuracy_high"] > 0.05
