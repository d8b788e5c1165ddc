"""What grading by hand prints: accuracy and length, and how two models differ on the same questions."""

import pyarrow as pa
import pytest

from l2s.contracts.responses import AS_DECODED
from l2s.errors import UserError
from l2s.grading.summary import accuracy_lines, difference_lines, graded_frame


def graded(outcomes, tokens, reason="stop", benchmark="b"):
    keys = [{"benchmark": benchmark, "question_id": str(n), "sample": 0} for n in range(len(outcomes))]
    keys = [{**key, **AS_DECODED._asdict()} for key in keys]
    # A reading that is cut is no response of its own.
    cut = {**keys[0], "budget": 1}
    responses = [{**key, "output_tokens": tokens, "finish_reason": reason} for key in (*keys, cut)]
    grades = [{**key, "outcome": outcome} for key, outcome in zip((*keys, cut), (*outcomes, "wrong"), strict=True)]
    types = pa.schema([("read_at", pa.int32()), ("budget", pa.int32())])
    return graded_frame(*(_typed(rows, types) for rows in (responses, grades)))


def _typed(rows, types):
    table = pa.Table.from_pylist(rows)
    for field in types:
        table = table.set_column(table.schema.get_field_index(field.name), field, table[field.name].cast(field.type))
    return table


def test_accuracy_and_length_are_of_the_responses_as_decoded():
    assert list(accuracy_lines(graded(["correct", "wrong", "no_answer", "correct"], 30))) == [
        "b: 50.0% right of 4 responses, 30.0 tokens on average, 0.0% truncated"
    ]


def test_lengths_of_truncated_responses_are_lower_bounds():
    (line,) = accuracy_lines(graded(["wrong"], 2048, "length"))
    assert "at least 2,048.0 tokens on average, 100.0% truncated" in line
    (line,) = difference_lines(graded(["wrong"], 50), graded(["wrong"], 2048, "length"), "slow.parquet")
    assert line.endswith("length -97.6%, where truncated lengths are lower bounds")


def test_a_difference_counts_what_only_one_of_the_models_got_right():
    here, there = graded(["correct", "correct", "wrong", "wrong"], 20), graded(["correct", "wrong", "correct"], 80)
    assert list(difference_lines(here, there, "slow.parquet")) == [
        "b, against slow.parquet: +0.0 points (1 right only here, 1 only there), length -75.0%"
    ]


def test_responses_to_other_questions_are_no_comparison():
    with pytest.raises(UserError, match=r"--against slow\.parquet: it answers none of these questions"):
        list(difference_lines(graded(["wrong"], 1), graded(["wrong"], 1, benchmark="c"), "slow.parquet"))
