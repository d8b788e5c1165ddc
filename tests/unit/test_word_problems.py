"""The questions of the demo with a real model: reproducible, right, unseen in training, and answered as documented."""

import json
import re
from itertools import islice
from pathlib import Path

import pytest

from l2s.demo.word_problems import (
    CALIBRATION_PER_LEVEL,
    CHECKS_BY_LEVEL,
    LEVELS,
    QUESTIONS_PER_LEVEL,
    benchmark_rows,
    benchmark_splits,
    calibration_rows,
    training_stream,
)

FOLDER = Path(__file__).parents[2] / "workflow" / "resources" / "demo_real"
SEED = 0
SPLITS = list(QUESTIONS_PER_LEVEL)
STEP = re.compile(r"(\d+) ([-+*/]) (\d+) = (\d+)")


@pytest.fixture(scope="module")
def splits():
    return benchmark_splits(SEED)


def committed_rows(name):
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def held_out(splits):
    return {problem.text for problems in splits.values() for problem in problems}


@pytest.mark.parametrize("split", SPLITS)
def test_committed_questions_follow_from_the_seed(splits, split):
    assert benchmark_rows(split, splits[split]) == committed_rows(split)
    levels = [row["level"] for row in committed_rows(split)]
    assert levels == list(LEVELS) * QUESTIONS_PER_LEVEL[split]


def test_committed_calibration_data_follows_from_the_seed_and_is_of_other_questions(splits):
    rows = calibration_rows(SEED, held_out(splits))
    assert rows == committed_rows("calibration")
    assert len({row["question"] for row in rows} - held_out(splits)) == len(rows) == 4 * CALIBRATION_PER_LEVEL


def test_every_step_is_right_uses_what_the_story_says_or_earlier_steps_found_and_the_last_is_the_answer(splits):
    for problem in splits["test"]:
        known = [int(number) for number in re.findall(r"\d+", problem.text)]
        for step in problem.steps:
            ((left, operator, right, result),) = STEP.findall(step)
            assert eval(f"{left} {operator} {right}") == int(result)
            for number in (left, right):
                known.remove(int(number))
            known.append(int(result))
        assert known == [problem.answer]
        assert len(problem.steps) == problem.level


def test_no_benchmark_question_occurs_in_training_or_twice(splits):
    assert len(held_out(splits)) == 4 * sum(QUESTIONS_PER_LEVEL.values())
    texts = [text for text, _ in islice(training_stream(SEED, held_out(splits)), 3000)]
    assert len(set(texts)) == len(texts)
    assert not set(texts) & held_out(splits)
    unguarded = {text for text, _ in islice(training_stream(SEED, set()), 3000)}
    some = set(islice(unguarded, 10))
    assert not {text for text, _ in islice(training_stream(SEED, some), 3000)} & some


def test_checks_repeat_every_step_and_get_more_frequent_with_the_level(splits):
    problem = splits["validation"][3]
    for checks in (0, 1, 2):
        response = problem.response(checks)
        assert [response.count(step) for step in problem.steps] == [checks + 1] * 4
        assert response.count("Wait, let me double-check.") == min(checks, 1)
        assert response.endswith(rf" The answer is \boxed{{{problem.answer}}}.")
    answers = list(islice(training_stream(SEED, set()), 8000))
    for level, weights in CHECKS_BY_LEVEL.items():
        passes = [len(STEP.findall(answer)) / level for _, answer in answers]
        of_level = [
            round(count)
            for count, (_, answer) in zip(passes, answers, strict=True)
            if len(set(STEP.findall(answer.partition("Wait")[0]))) == level and count in (1, 2, 3)
        ]
        assert sum(of_level) / len(of_level) == pytest.approx(1 + (weights[1] + 2 * weights[2]) / 100, abs=0.15)
