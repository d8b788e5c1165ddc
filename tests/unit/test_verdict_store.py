"""Only new responses are graded: verdicts are kept while the grader's code and its libraries stay the same."""

import pytest

from l2s.grading import grade_cases, grades, store
from l2s.grading.contract import Case, Found, Outcome, Verdict
from l2s.grading.store import VerdictStore
from l2s.grading.workers import Ended

TOOLKIT = "l2s.grading.graders.toolkit"
CASES = [Case(f"so \\boxed{{{number}}}", "2", "b") for number in range(4)] + [Case("none", "2", "b")]


@pytest.fixture
def asked(monkeypatch):
    """The responses that a grader was really asked for, call by call."""
    calls = []
    real = grades.grade_cases

    def noted(cases, *args, **named):
        calls.append(list(cases))
        return real(cases, *args, **named)

    monkeypatch.setattr(grades, "grade_cases", noted)
    return calls


def graded(cases, folder, module=TOOLKIT):
    return grades._verdicts(cases, module, 1, folder)


def test_what_was_graded_is_read_and_only_the_rest_is_graded(asked, tmp_path, capsys):
    first = graded(CASES[:3], tmp_path)
    again = graded([*CASES, CASES[0]], tmp_path)
    assert asked == [CASES[:3], CASES[3:]]
    assert again[:3] == first and again[-1] == first[0]
    assert [verdict.outcome for verdict in again[:5]] == ["wrong", "wrong", "correct", "wrong", "no_answer"]
    assert "3 of 5 different responses were graded before" in capsys.readouterr().out
    assert again == graded([*CASES, CASES[0]], None), "kept verdicts are whole: answers, places and all"


def test_a_failure_is_tried_again(tmp_path):
    kept = VerdictStore(tmp_path, TOOLKIT)
    kept.add([(CASES[0], Verdict(Outcome.TIMEOUT, Found("0", 10, 11))), (CASES[1], Verdict(Outcome.ERROR, None))])
    assert VerdictStore(tmp_path, TOOLKIT).known == {}


@pytest.mark.parametrize("changed", ["code", "library", "grader"])
def test_another_code_library_or_grader_is_asked_anew(asked, tmp_path, monkeypatch, changed):
    graded(CASES, tmp_path)
    if changed == "code":
        monkeypatch.setattr(store, "reached_digest", lambda module: "edited")
    if changed == "library":
        monkeypatch.setattr(store, "version", lambda name: "99.0")
    graded(CASES, tmp_path, "l2s.grading.graders.math_verify" if changed == "grader" else TOOLKIT)
    assert asked == [CASES, CASES]


def test_a_damaged_file_is_given_up_and_its_responses_are_graded_again(asked, tmp_path, capsys):
    graded(CASES, tmp_path)
    (chunk,) = tmp_path.rglob("*.parquet")
    chunk.write_bytes(chunk.read_bytes()[:-1] + b"x")
    graded(CASES, tmp_path)
    assert asked == [CASES, CASES]
    assert f"{chunk}: damaged" in capsys.readouterr().out


def test_what_was_said_of_an_answer_holds_for_every_checkpoint(tmp_path, monkeypatch):
    compared, real = [], grade_cases.call_each

    def noted(function, arguments, *args):
        if function.__name__ == "compare":
            compared.extend(arguments)
        return real(function, arguments, *args)

    monkeypatch.setattr(grade_cases, "call_each", noted)
    monkeypatch.setattr(grade_cases, "KEPT_AT_ONCE", 2)
    first = grades._verdicts(CASES, TOOLKIT, 1, tmp_path / "one", tmp_path / "answers")
    assert len(compared) == 4 and len(list((tmp_path / "answers").rglob("*.parquet"))) == 2, "kept on the way"
    others = [case._replace(text=f"Another model: {case.text}") for case in CASES]
    again = grades._verdicts([*others, Case("7", "2", "b")], TOOLKIT, 1, tmp_path / "two", tmp_path / "answers")
    assert compared[4:] == [("7", "2")]
    assert [(one.outcome, one.gold_parsed) for one in again[:5]] == [(one.outcome, one.gold_parsed) for one in first]


def test_a_comparison_that_failed_is_tried_again(tmp_path, monkeypatch):
    real = grade_cases.call_each

    def too_long(function, arguments, *args):
        if function.__name__ == "compare":
            return [Ended(timed_out=True, fault="took too long") for _ in arguments]
        return real(function, arguments, *args)

    with monkeypatch.context() as busy:
        busy.setattr(grade_cases, "call_each", too_long)
        (said,) = grades._verdicts(CASES[2:3], TOOLKIT, 1, None, tmp_path)
    assert said.outcome == "timeout"
    (said,) = grades._verdicts(CASES[2:3], TOOLKIT, 1, None, tmp_path)
    assert said.outcome == "correct"
