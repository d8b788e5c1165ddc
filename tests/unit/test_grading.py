"""Grading with math-verify: every outcome; grades of a table of responses by either grader."""

from time import sleep

import pytest

from l2s.contracts.grades import GRADES, Outcome
from l2s.contracts.parquet import table_of
from l2s.contracts.questions import QUESTIONS
from l2s.contracts.responses import RESPONSES
from l2s.errors import UserError
from l2s.grading.contract import Case
from l2s.grading.grade_cases import grade_cases
from l2s.grading.graders import math_verify
from l2s.grading.grades import grade_responses
from l2s.grading.workers import Limits

MATH_VERIFY = "l2s.grading.graders.math_verify"


@pytest.mark.parametrize(
    ("text", "gold", "outcome"),
    [
        ("so the answer is \\boxed{\\frac{1}{2}}.", "0.5", Outcome.CORRECT),
        (" \\boxed{7}", "7", Outcome.CORRECT),
        ("3 apples, then 5; it is \\boxed{70000}", "70000", Outcome.CORRECT),
        ("The answer is 1,234", "1,234", Outcome.CORRECT),
        ("\\boxed{8}", "7", Outcome.WRONG),
        ("\\boxed{4.5 \\times 10^{33}}", "4.5e33", Outcome.CORRECT),
        ("about $4.5\\cdot 10^{33}$ erg", "4.5e33", Outcome.CORRECT),
        ("\\boxed{4.5e33}", "4.5e33", Outcome.CORRECT),
        ("\\boxed{1.6\\times10^{-5}}", "1.6e-5", Outcome.CORRECT),
        ("\\boxed{0.000016}", "1.6e-5", Outcome.CORRECT),
        ("\\boxed{4.5 \\times 10^{32}}", "4.5e33", Outcome.WRONG),
        ("\\boxed{4.5}", "4.5e33", Outcome.WRONG),
        ("I do not know", "7", Outcome.NO_ANSWER),
        ("", "7", Outcome.NO_ANSWER),
    ],
)
def test_outcomes_of_plain_responses(text, gold, outcome):
    (verdict,) = grade_cases([Case(text, gold, "b")], MATH_VERIFY, 1, Limits(60, 1024**3))
    assert verdict.outcome is outcome


def test_slow_comparison_is_a_timeout(monkeypatch):
    monkeypatch.setattr(math_verify, "verify", lambda gold, found, **_: str(found[0]) == "x" and sleep(60))
    (verdict,) = grade_cases([Case("\\boxed{x}", "2", "b")], MATH_VERIFY, 1, Limits(1, 1024**3))
    assert (verdict.outcome, verdict.found.answer) == (Outcome.TIMEOUT, "x")


def test_failing_comparison_is_an_error_of_the_grader(monkeypatch):
    def broken(gold, found, **options):
        if options.get("raise_on_error") and str(found[0]) == "x":
            raise RecursionError("deep")
        return False

    monkeypatch.setattr(math_verify, "verify", broken)
    (verdict,) = grade_cases([Case("\\boxed{x}", "2", "b")], MATH_VERIFY, 1)
    assert verdict.outcome is Outcome.ERROR
    assert verdict.fault == "RecursionError: deep"


def test_equal_pairs_are_compared_once(monkeypatch, tmp_path):
    log = tmp_path / "comparisons"

    def noted(gold, found, **_):
        with log.open("a") as stream:
            stream.write(f"{found[0]} {gold[0]}\n")
        return True

    monkeypatch.setattr(math_verify, "verify", noted)
    cases = [Case(text, gold, "b") for gold in ("5", "6") for text in ("\\boxed{x}", "so \\boxed{x}", "\\boxed{y}")]
    grade_cases([*cases, *cases], MATH_VERIFY, 2)
    assert sorted(log.read_text().splitlines()) == ["1/2 1/3", "x 5", "x 6", "y 5", "y 6"]  # the first warms up


def response(question, text, read_at=None):
    return {
        "benchmark": "b", "question_id": question, "sample": 0, "read_at": read_at, "budget": None,
        "prompt_sha256": "0" * 64, "prompt_tokens": 1, "text": text, "output_ids": [1], "output_tokens": 1,
        "retokenized": 1,
        "finish_reason": "stop", "thinking_closed": None, "repetition": None, "imported_score": None,
    }  # fmt: skip


@pytest.mark.parametrize("grader", ["math_verify", "toolkit"])
def test_grades_follow_the_responses_in_order_and_say_where_the_answer_stands(grader):
    responses = table_of([response("y", "so \\boxed{2}"), response("x", "\\boxed{2}"), response("x", "")], RESPONSES)
    rows = [
        {"benchmark": "b", "question_id": name, "question": "?", "gold": gold, "level": None}
        for name, gold in (("x", "1"), ("y", "2"))
    ]
    grades = grade_responses(responses, [table_of(rows, QUESTIONS)], grader)
    assert grades.schema.equals(GRADES)
    columns = ("question_id", "outcome", "answer", "answer_start", "answer_end", "gold", "gold_parsed")
    assert [tuple(row[name] for name in columns) for row in grades.to_pylist()] == [
        ("y", "correct", "2", 10, 11, "2", "2"),
        ("x", "wrong", "2", 7, 8, "1", "1"),
        ("x", "no_answer", None, None, None, "1", None),
    ]


def test_every_reading_of_a_response_is_graded():
    read = [response("x", "a \\boxed{1}"), response("x", "a", 40), response("x", "a \\boxed{1}", 50)]
    question = {"benchmark": "b", "question_id": "x", "question": "?", "gold": "1", "level": None}
    grades = grade_responses(table_of(read, RESPONSES), [table_of([question], QUESTIONS)], "math_verify")
    found = [(row["read_at"], row["outcome"]) for row in grades.to_pylist()]
    assert found == [(None, "correct"), (40, "no_answer"), (50, "correct")]


def test_response_to_an_unknown_question_is_refused():
    with pytest.raises(UserError, match=r"question 'z' of 'b'"):
        grade_responses(table_of([response("z", "1")], RESPONSES), [], "math_verify")


def test_unknown_grader_is_refused():
    with pytest.raises(UserError, match="unknown grader 'math-verify'; did you mean 'math_verify'"):
        grade_responses(table_of([], RESPONSES), [], "math-verify")
