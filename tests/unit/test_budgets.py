"""Responses cut at budgets, and lengths, in tables and figures."""

import pandas as pd
import pytest
from tables import NONE, read, tables
from test_decoding import decode, must_not_start, questions, settings

import draw_figure
from l2s.analysis.charts import drawn
from l2s.analysis.figures import budget_curve
from l2s.analysis.render_table import caption, display_frame
from l2s.analysis.side_tables import budgets_frame, side_tables
from l2s.analysis.table import COUNTING, Row, make_table
from l2s.contracts.parquet import table_of, write_table
from l2s.contracts.responses import RESPONSES, readings
from l2s.errors import UserError

__all__ = ["decode"]  # the fixture


def cut_twice():
    """Return a table of slow, cut at a budget of 100 only, and of ties, cut at 100 and 200."""
    slow = read(
        tables(["correct"] * 2, [300, 90]), tables(["wrong", "correct"], [100, 90], budget=100, finish="length")
    )
    ties = read(
        tables(["correct", "wrong"], [150, 80]),
        tables(["no_answer", "wrong"], [100, 80], budget=100, finish="length"),
        tables(["correct", "wrong"], [150, 80], budget=200),
    )
    rows = [
        Row(pair="p", method=name, recipe=name, checkpoint=name, reference="slow", budgets=budgets)
        for name, budgets in (("slow", (100,)), ("ties", (100, 200)))
    ]
    return make_table("s", rows, ["b"], {"slow": slow, "ties": ties})


def test_a_line_at_a_budget_is_compared_with_the_reference_at_the_same_budget():
    lines = {(line["recipe"], line["budget"]): line for line in cut_twice().to_pylist()}
    assert list(lines) == [("slow", None), ("slow", 100), ("ties", None), ("ties", 100), ("ties", 200)]
    assert [line["accuracy"] for line in lines.values()] == [1, 0.5, 0.5, 0, 0.5]
    assert lines["ties", None]["length_change"] == pytest.approx(115 / 195 - 1)
    assert lines["ties", 100]["length_change"] == pytest.approx(90 / 95 - 1)
    assert lines["ties", 200]["length_change"] is None, "the reference is not read at this budget"


def test_budgets_have_a_table_of_their_own_and_the_main_one_stays_as_it_is():
    table = cut_twice()
    assert display_frame(table, NONE)["Model"].tolist() == ["slow", "ties"]
    frame = budgets_frame(table)
    assert frame.columns.tolist() == ["Model", "Budget 100", "Budget 200", "As decoded"]
    assert frame["Budget 200"].tolist() == ["", "50.0 (115.0)"]
    assert "budget" in caption(table, NONE, "slow", COUNTING)
    row = Row(pair="p", method="m", recipe="m", checkpoint="m")
    assert budgets_frame(make_table("s", [row], ["b"], {"m": read(tables(["correct"], [5]))})).empty


def test_levels_of_one_benchmark_have_a_table_of_their_own():
    row = Row(pair="p", method="m", recipe="m", checkpoint="m")
    responses, grades = tables(["correct", "wrong", "correct"], [10, 40, 30])
    levels = {("b", question["question_id"]): 1 + (place > 0) for place, question in enumerate(responses)}
    table = make_table("s", [row], ["b"], {"m": read((responses, grades))}, levels)
    (frame,) = side_tables(table).values()
    assert frame.to_dict("records") == [{"Model": "m", "Level 1 (1)": "100.0 (10.0)", "Level 2 (2)": "50.0 (35.0)"}]
    assert "Levels:" in caption(table, NONE, "slow", COUNTING)


def test_a_budget_that_responses_are_not_cut_at_is_a_clear_error():
    row = Row(pair="p", method="m", recipe="m", checkpoint="m", budgets=(8,))
    with pytest.raises(UserError, match="no graded responses to benchmark 'b' read at a budget of 8"):
        make_table("s", [row], ["b"], {"m": read(tables(["correct"], [5]))})


def test_lengths_are_told_by_median_by_right_and_other_responses_and_by_loops():
    responses, grades = tables(["correct", "wrong", "correct", "no_answer"], [10, 400, 20, 600], finish="length")
    responses[1]["repetition"] = 3
    row = Row(pair="p", method="m", recipe="m", checkpoint="m")
    (line,) = make_table("s", [row], ["b"], {"m": read((responses, grades))}).to_pylist()
    found = [line[key] for key in ("median_tokens", "mean_tokens_right", "mean_tokens_wrong", "looping")]
    assert found == [210, 15, 500, 0.25]
    for outcome, empty in (("correct", "mean_tokens_wrong"), ("wrong", "mean_tokens_right")):
        (line,) = make_table("s", [row], ["b"], {"m": read(tables([outcome] * 2, [4, 6]))}).to_pylist()
        assert line[empty] is None
        assert line["mean_tokens_right" if outcome == "correct" else "mean_tokens_wrong"] == 5


def test_the_budget_curve_draws_every_budget_and_needs_one(tmp_path, monkeypatch):
    seen, chart = [], budget_curve.chart
    monkeypatch.setattr(budget_curve, "chart", lambda table, title: seen.append(chart(table, title)) or seen[-1])
    write_table(cut_twice(), tmp_path / "table.parquet", {"title": "T"})
    draw_figure.main(tmp_path / "table.parquet", "budget_curve", tmp_path / "figure")
    (points,) = seen[0].to_dict()["datasets"].values()
    of_ties = sorted((row["order"], row["at"], row["mean_tokens"]) for row in points if row["recipe"] == "ties")
    assert [row[1:] for row in of_ties] == [("budget 100", 90), ("budget 200", 115), ("as decoded", 115)]
    assert budget_curve.needs(drawn(cut_twice())) is None
    row = Row(pair="p", method="m", recipe="m", checkpoint="m")
    without = make_table("s", [row], ["b"], {"m": read(tables(["correct"], [5]))})
    assert "give it key 'budgets'" in budget_curve.needs(drawn(without))


def test_budgets_around_the_room_that_a_context_length_leaves_give_what_decoding_gives(decode):
    free, _ = decode(settings(), [questions(4)])
    longest = max(free, key=lambda row: row["prompt_tokens"] + row["output_tokens"])
    room = longest["output_tokens"] - 2
    context_length = longest["prompt_tokens"] + room
    budgets = [room - 1, room, room + 1]
    chosen = settings(context_length=context_length)
    decode(chosen, [questions(4)])
    cut, _ = decode(chosen, [questions(4)], cuts=readings(budgets=budgets), start=must_not_start)
    assert "context_length" in {row["finish_reason"] for row in cut if row["budget"] is None}
    for budget in budgets:
        anew, _ = decode(settings(context_length=context_length, max_new_tokens=budget), [questions(4)], f"{budget}")
        assert [row | {"budget": None} for row in cut if row["budget"] == budget] == anew, budget
    assert table_of(cut, RESPONSES).num_rows == 4 * len(free)
    assert pd.Series([row["finish_reason"] for row in cut if row["budget"] == room]).eq("length").any()
