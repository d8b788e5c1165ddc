"""A table marks lengths that are lower bounds, and says where merging cannot shorten anything."""

from tables import NONE, read, tables

from l2s.analysis.render_table import caption, display_frame
from l2s.analysis.table import COUNTING, Row, make_table


def summary(quick, slow):
    rows = [Row(pair="p", method=name, recipe=name, checkpoint=name, reference="slow") for name in ("quick", "slow")]
    return make_table("s", rows, ["b"], {"quick": read(quick), "slow": read(slow)})


def note(table):
    return caption(table, NONE, "slow", COUNTING)


def test_lengths_of_truncated_responses_are_marked_as_lower_bounds():
    table = summary(tables(["correct"], [10]), tables(["wrong"], [160], finish="length"))
    assert display_frame(table, NONE)["Length"].tolist() == ["10.0", "≥ 160.0"]
    assert "≥: responses were truncated, so that the mean length is a lower bound" in note(table)


def test_a_quick_model_that_is_as_long_as_the_slow_one_is_told():
    slow = tables(["correct"], [100])
    assert "about as long as the slow model's (95.0 and 100.0 tokens)" in note(summary(tables(["wrong"], [95]), slow))
    short = note(summary(tables(["wrong"], [50]), slow))
    assert "as long as" not in short and "lower bound" not in short
