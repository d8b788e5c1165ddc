"""Statistics against published values, the summary against numbers worked out by hand, and tables as text."""

import pandas as pd
import pytest
from tables import NONE, read, tables

from l2s.analysis.intervals import Interval, mean_of_intervals, wilson
from l2s.analysis.paper_table import layout_note, wide_frame
from l2s.analysis.render_table import caption, display_frame, write_latex, write_markdown
from l2s.analysis.table import COUNTING, Row, make_table
from l2s.contracts.grades import GRADES
from l2s.contracts.parquet import table_of
from l2s.contracts.table import MEAN, TABLE
from l2s.errors import UserError


def test_wilson_interval_equals_published_example():
    # Newcombe 1998 (doi 10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E), table I: 81/263 and 0/20.
    interval = wilson(81, 263)
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.2553, 0.3662)
    assert round(wilson(0, 20).high, 4) == 0.1611


def test_mean_of_one_share_is_that_share():
    part = wilson(7, 20)
    assert mean_of_intervals([part]) == pytest.approx(part)


def test_mean_of_intervals_combines_distances_in_quadrature():
    mean = mean_of_intervals([Interval(0.5, 0.47, 0.54), Interval(0.7, 0.66, 0.73)])
    assert mean == pytest.approx((0.6, 0.6 - 0.05 / 2, 0.6 + 0.05 / 2))


@pytest.fixture
def summary():
    slow = read(tables(["correct"] * 4, [40] * 4, "wait, wait"), tables(["correct"] * 2, [10, 30], benchmark="c"))
    merged = read(
        tables(["correct", "wrong", "no_answer", "timeout"], [10, 10, 20, 40], finish="length"),
        tables(["correct", "correct"], [10, 10], benchmark="c"),
    )
    rows = [Row(pair="p", method=name, recipe=name, checkpoint=name, reference="slow") for name in ("slow", "ties")]
    return make_table("s", rows, ["b", "c"], {"slow": slow, "ties": merged})


def test_summary_has_one_line_for_each_benchmark_and_the_mean(summary):
    assert summary.schema.equals(TABLE)
    lines = summary.to_pylist()
    assert [(line["recipe"], line["benchmark"]) for line in lines] == [
        (name, benchmark) for name in ("slow", "ties") for benchmark in ("b", "c", MEAN)
    ]
    first, second, mean = lines[3:]
    assert (first["accuracy"], second["accuracy"], mean["accuracy"]) == (0.25, 1.0, 0.625)
    assert (first["mean_tokens"], first["length_change"], second["length_change"]) == (20, -0.5, -0.5)
    assert mean["length_change"] == pytest.approx(-0.5)
    assert (first["truncated"], first["no_answer"], first["grader_failures"]) == (1.0, 0.25, 1)
    assert (lines[0]["reflective"], lines[0]["reflection_keywords"]) == (1.0, 2.0)
    assert (mean["questions"], first["questions"]) == (6, 4)
    assert (first["accuracy_low"], first["accuracy_high"]) == pytest.approx(wilson(1, 4)[1:])


def test_mean_of_keywords_leaves_out_benchmarks_without_a_reflective_response():
    row = Row(pair="p", method="m", recipe="m", checkpoint="m")
    parts = [tables(["correct"], [1], text, benchmark=name) for name, text in (("b", "wait, wait"), ("c", "so"))]
    keywords = [
        line["reflection_keywords"] for line in make_table("s", [row], ["b", "c"], {"m": read(*parts)}).to_pylist()
    ]
    assert keywords == [2.0, 0.0, 2.0]


def test_samples_of_one_question_count_as_one_trial():
    responses, grades = tables(["correct", "correct", "wrong", "wrong"], [1, 1, 1, 1])
    for part in (responses, grades):
        for number, row in enumerate(part):
            row.update(question_id=str(number // 2), sample=number % 2)
    row = Row(pair="p", method="m", recipe="m", checkpoint="m")
    (line,) = make_table("s", [row], ["b"], {"m": read((responses, grades))}).to_pylist()
    assert (line["questions"], line["accuracy"]) == (2, 0.5)
    assert line["accuracy_high"] == pytest.approx(wilson(1, 2).high)
    assert line["length_change"] is None


def test_benchmark_without_responses_is_an_error():
    row = Row(pair="p", method="m", recipe="m", checkpoint="m")
    with pytest.raises(UserError, match="no graded responses to benchmark 'c'"):
        make_table("s", [row], ["c"], {"m": read(tables(["correct"], [1]))})


def test_rows_that_do_not_fit_a_schema_are_refused():
    with pytest.raises(ValueError, match="columns differ"):
        table_of([{"benchmark": "b"}], GRADES)
    row = dict.fromkeys(GRADES.names)
    with pytest.raises(ValueError, match="holds null"):
        table_of([row], GRADES)


def test_markdown_table_shows_accuracy_interval_and_change(summary, tmp_path):
    write_markdown(
        [display_frame(summary, NONE)], "Title", caption(summary, NONE, "slow", COUNTING), tmp_path / "table.md"
    )
    text = (tmp_path / "table.md").read_text()
    assert "62.5 [" in text and "−50.0 %" in text and "b: 4 questions, c: 2 questions" in text
    assert list(display_frame(summary, NONE).columns)[:2] == ["Model", "Benchmark"]


@pytest.mark.parametrize(
    ("cell", "first", "average"),
    [
        ("length", "25.0 (20.0)", "62.5"),
        ("reflection", "25.0 (20.0) [0; 0.0]", "62.5"),
        ("reflective", "0.0", "0.0"),
    ],
)
def test_papers_layout_has_a_row_for_each_model_and_a_column_for_each_benchmark(summary, cell, first, average):
    wide = wide_frame(summary, cell, NONE)
    last = "Pooled" if cell == "reflective" else "Length"
    assert list(wide.columns) == ["Model", "b", "c", "Avg.", last]
    assert wide["Model"].tolist() == ["slow", "ties"]
    assert wide.iloc[1]["b"] == first
    assert wide.iloc[1]["Avg."] == average
    if last == "Length":
        assert wide["Length"].tolist() == ["+0.0 %", "−50.0 %"]


def test_papers_layout_counts_reflective_responses(summary):
    assert wide_frame(summary, "reflection", NONE).iloc[0]["b"] == "100.0 (40.0) [4; 2.0]"


def test_papers_layout_shows_reflective_shares_pooled_and_unweighted(summary):
    slow = wide_frame(summary, "reflective", NONE).iloc[0]
    # All of four and none of two.
    assert (slow["b"], slow["c"], slow["Avg."], slow["Pooled"]) == ("100.0", "0.0", "50.0", "66.7")
    assert "Pooled: share of the responses to all benchmarks together" in layout_note("reflective")
    assert "Pooled" not in layout_note("length")


def test_latex_escapes_what_it_must(summary, tmp_path):
    write_latex(wide_frame(summary, "length", NONE), "100 % of a_b", tmp_path / "table.tex")
    text = (tmp_path / "table.tex").read_text()
    assert "100 \\% of a\\_b" in text
    assert "-50.0 \\%" in text
    assert "\\toprule" in text and "\\label{tab:table}" in text


def test_latex_has_the_marks_as_tex_can_set_them(tmp_path):
    write_latex(pd.DataFrame({"Accuracy %": ["62.5 ▲", "62.0 ≈"]}), "T", tmp_path / "table.tex")
    text = (tmp_path / "table.tex").read_text()
    assert r"62.5 $\triangle$" in text and r"62.0 $\approx$" in text and "≈" not in text


def test_reference_need_not_be_a_line_of_the_table_but_must_be_read():
    row = Row(pair="p", method="m", recipe="m", checkpoint="m", reference="r")
    merged, reference = read(tables(["correct"], [5])), read(tables(["correct"], [20]))
    (line,) = make_table("s", [row], ["b"], {"m": merged, "r": reference}).to_pylist()
    assert line["length_change"] == -0.75
    with pytest.raises(UserError, match="no responses and grades are given for checkpoint r"):
        make_table("s", [row], ["b"], {"m": merged})
