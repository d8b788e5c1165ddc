"""Golden verdicts of both graders: what a change of a grader must not change.

answers.jsonl has the project's own cases with what each grader makes of them, right or not as a person would see it;
toolkit_quirks.jsonl what the toolkit's rules are known for, toolkit_pairs.jsonl pairs that the toolkit itself was seen
to call right or wrong, stored_scores.json the responses on which a grader's verdict differs from the toolkit's own,
with the reason.
"""

import json
from collections import Counter
from pathlib import Path

import pytest

from l2s.grading.contract import Case, Outcome
from l2s.grading.grade_cases import grade_cases
from l2s.grading.graders import toolkit
from l2s.grading.workers import Limits

HERE = Path(__file__).parent
GRADERS = ["toolkit", "math_verify"]
PATIENT = Limits(seconds=120, bytes=1024**3)  # verdicts are tested here, not speed


def rows_of(name):
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


def outcomes(rows, grader):
    cases = [Case(row["response"], row["gold"], row["benchmark"]) for row in rows]
    return grade_cases(cases, f"l2s.grading.graders.{grader}", 2, PATIENT)


@pytest.mark.parametrize("grader", GRADERS)
def test_every_case_has_its_outcome(grader):
    rows = rows_of("answers.jsonl")
    assert len(rows) >= 150
    verdicts = outcomes(rows, grader)
    wrong = [
        (row, verdict) for row, verdict in zip(rows, verdicts, strict=True) if verdict.outcome.value != row[grader]
    ]
    assert wrong == []


def test_cases_cover_what_answers_look_like():
    kinds = Counter(row["kind"] for row in rows_of("answers.jsonl"))
    wanted = {"set", "interval", "matrix", "unit", "percent", "fraction", "text", "several", "boxed twice", "thinking"}
    assert {kind for kind, count in kinds.items() if count >= 3} >= wanted | {
        "thousands",
        "chinese",
        "empty",
        "nonsense",
    }


def test_toolkit_has_its_quirks():
    rows = rows_of("toolkit_quirks.jsonl")
    verdicts = outcomes(rows, "toolkit")
    assert [row for row, verdict in zip(rows, verdicts, strict=True) if verdict.outcome.value != row["outcome"]] == []


@pytest.mark.parametrize("pair", rows_of("toolkit_pairs.jsonl"), ids=lambda pair: f"{pair['answer']} | {pair['gold']}")
def test_toolkit_compares_as_it_was_seen_to(pair):
    assert toolkit.compare(pair["answer"], pair["gold"]).right == pair["right"]


@pytest.mark.parametrize("grader", GRADERS)
def test_verdicts_on_real_generations_are_the_stored_ones_but_for_explained_differences(real_data, grader):
    lines = (real_data / "outputs" / "qwen_math_cot_100.jsonl").read_text().splitlines()
    answered = [
        (Case(text, row["gt"], "math"), stored, row["idx"], sample)
        for row in map(json.loads, lines)
        for sample, (text, stored) in enumerate(zip(row["code"], row["score"], strict=True))
    ]
    verdicts = grade_cases([case for case, *_ in answered], f"l2s.grading.graders.{grader}", 2, PATIENT)
    different = [
        [idx, sample]
        for (_, stored, idx, sample), verdict in zip(answered, verdicts, strict=True)
        if (verdict.outcome is Outcome.CORRECT) != stored
    ]
    explained = json.loads((HERE / "stored_scores.json").read_text())[grader]
    assert len(answered) == 800
    assert different == [[row["idx"], row["sample"]] for row in explained]
    assert len(different) / len(answered) <= 0.005
