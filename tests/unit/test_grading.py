"""Grading with math-verify: every outcome, and agreement with the toolkit's grader on real generations."""

import json

import pytest

from l2s.contracts.grades import GRADES, Outcome
from l2s.contracts.parquet import table_of
from l2s.contracts.questions import QUESTIONS
from l2s.contracts.responses import RESPONSES
from l2s.errors import UserError
from l2s.grading.graders import math_verify
from l2s.grading.grades import grade_responses


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
    assert math_verify.grade(text, gold).outcome is outcome


def test_slow_comparison_is_a_timeout(monkeypatch):
    def too_slow(*_, **options):
        if options.get("raise_on_error"):
            raise math_verify.TimeoutException("slow")
        return False

    monkeypatch.setattr(math_verify, "verify", too_slow)
    assert math_verify.grade("\\boxed{1}", "2").outcome is Outcome.TIMEOUT


def test_failing_comparison_is_an_error_of_the_grader(monkeypatch):
    def broken(*_, **options):
        if options.get("raise_on_error"):
            raise RecursionError("deep")
        return False

    monkeypatch.setattr(math_verify, "verify", broken)
    assert math_verify.grade("\\boxed{1}", "2").outcome is Outcome.ERROR


def response(question, text, read_at=None):
    return {
        "benchmark": "b", "question_id": question, "sample": 0, "read_at": read_at, "prompt_sha256": "0" * 64,
        "prompt_tokens": 1, "text": text, "output_ids": [1], "output_tokens": 1, "retokenized": 1,
        "finish_reason": "stop", "thinking_closed": None, "repetition": None,
    }  # fmt: skip


def test_grades_follow_the_responses_in_order():
    responses = table_of([response("y", "\\boxed{2}"), response("x", "\\boxed{2}")], RESPONSES)
    rows = [
        {"benchmark": "b", "question_id": name, "question": "?", "gold": gold, "level": None}
        for name, gold in (("x", "1"), ("y", "2"))
    ]
    grades = grade_responses(responses, [table_of(rows, QUESTIONS)], "math_verify")
    assert grades.schema.equals(GRADES)
    assert [(row["question_id"], row["outcome"]) for row in grades.to_pylist()] == [("y", "correct"), ("x", "wrong")]


def test_every_reading_of_a_response_is_graded_and_an_uncut_one_as_the_whole(monkeypatch):
    asked = []
    plain = math_verify.grade
    monkeypatch.setattr(math_verify, "grade", lambda text, gold: asked.append(text) or plain(text, gold))
    read = [response("x", "a \\boxed{1}"), response("x", "a", 40), response("x", "a \\boxed{1}", 50)]
    question = {"benchmark": "b", "question_id": "x", "question": "?", "gold": "1", "level": None}
    grades = grade_responses(table_of(read, RESPONSES), [table_of([question], QUESTIONS)], "math_verify")
    found = [(row["read_at"], row["outcome"]) for row in grades.to_pylist()]
    assert found == [(None, "correct"), (40, "no_answer"), (50, "correct")]
    assert asked == ["a \\boxed{1}", "a"]


def test_response_to_an_unknown_question_is_refused():
    with pytest.raises(UserError, match=r"question 'z' of 'b'"):
        grade_responses(table_of([response("z", "1")], RESPONSES), [], "math_verify")


def test_unknown_grader_is_refused():
    with pytest.raises(UserError, match="unknown grader 'math-verify'; did you mean 'math_verify'"):
        grade_responses(table_of([], RESPONSES), [], "math-verify")


def test_agrees_with_the_toolkit_on_real_generations(real_data):
    rows = [json.loads(line) for line in (real_data / "outputs" / "qwen_math_cot_100.jsonl").read_text().splitlines()]
    both = [
        (math_verify.grade(text, row["gt"]).outcome is Outcome.CORRECT, toolkit)
        for row in rows[:40]
        for text, toolkit in zip(row["code"], row["score"], strict=True)
    ]
    assert len(both) == 320
    assert sum(ours == theirs for ours, theirs in both) / len(both) >= 0.99
