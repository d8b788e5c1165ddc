"""Statistics against published values, the summary against numbers worked out by hand, and pages without the net."""

import itertools
import re
import subprocess
import sys

import altair as alt
import pandas as pd
import pytest
import vl_convert
from support import ROOT

from l2s.analysis.charts import TableLine, colour, drawn
from l2s.analysis.figures import accuracy_length, by_level, radar, sweep
from l2s.analysis.intervals import Interval, mean_of_intervals, wilson
from l2s.analysis.paper_table import layout_note, wide_frame
from l2s.analysis.render_table import caption, display_frame, write_html, write_latex, write_markdown
from l2s.analysis.table import COUNTING, Row, make_table
from l2s.contracts.grades import GRADES
from l2s.contracts.parquet import table_of
from l2s.contracts.responses import RESPONSES
from l2s.contracts.table import MEAN, TABLE
from l2s.errors import UserError
from l2s.modules import module_names


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


def tables(outcomes, lengths, text="so", finish="stop", benchmark="b", read_at=None):
    responses, grades = [], []
    for number, (outcome, length) in enumerate(zip(outcomes, lengths, strict=True)):
        key = {"benchmark": benchmark, "question_id": str(number), "sample": 0, "read_at": read_at}
        filler = {"prompt_sha256": "0" * 64, "prompt_tokens": 1, "output_ids": [1] * length, "output_tokens": length}
        filler |= {"retokenized": length + 1, "thinking_closed": None, "repetition": None}
        responses.append({**key, **filler, "text": text, "finish_reason": finish})
        found = {"answer": "1", "answer_start": 0, "answer_end": 1, "gold_parsed": "1"}
        grades.append({**key, "outcome": outcome, "gold": "1", **found})
    return responses, grades


def read(*parts):
    responses = [row for part in parts for row in part[0]]
    grades = [row for part in parts for row in part[1]]
    return table_of(responses, RESPONSES), table_of(grades, GRADES)


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


def test_pages_load_nothing_from_elsewhere(summary, tmp_path):
    write_html([display_frame(summary)], "Title", caption(summary, "slow", COUNTING), tmp_path / "table.html")
    chart = accuracy_length.chart(summary, "Title")
    chart.save(str(tmp_path / "figure.html"), inline=True)
    for page in ("table.html", "figure.html"):
        text = (tmp_path / page).read_text()
        assert 'src="http' not in text and 'href="http' not in text, page


def test_the_same_table_makes_the_same_page(summary, tmp_path):
    for name in ("one.html", "other.html"):
        write_html([display_frame(summary), display_frame(summary)], "Title", "n", tmp_path / name)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "other.html").read_bytes()


def test_markdown_table_shows_accuracy_interval_and_change(summary, tmp_path):
    write_markdown([display_frame(summary)], "Title", caption(summary, "slow", COUNTING), tmp_path / "table.md")
    text = (tmp_path / "table.md").read_text()
    assert "62.5 [" in text and "−50.0 %" in text and "b: 4 questions, c: 2 questions" in text
    assert list(display_frame(summary).columns)[:2] == ["Model", "Benchmark"]


@pytest.mark.parametrize(
    ("cell", "first", "average"),
    [
        ("length", "25.0 (20.0)", "62.5"),
        ("reflection", "25.0 (20.0) [0; 0.0]", "62.5"),
        ("reflective", "0.0", "0.0"),
    ],
)
def test_papers_layout_has_a_row_for_each_model_and_a_column_for_each_benchmark(summary, cell, first, average):
    wide = wide_frame(summary, cell)
    last = "Pooled" if cell == "reflective" else "Length"
    assert list(wide.columns) == ["Model", "b", "c", "Avg.", last]
    assert wide["Model"].tolist() == ["slow", "ties"]
    assert wide.iloc[1]["b"] == first
    assert wide.iloc[1]["Avg."] == average
    if last == "Length":
        assert wide["Length"].tolist() == ["+0.0 %", "−50.0 %"]


def test_papers_layout_counts_reflective_responses(summary):
    assert wide_frame(summary, "reflection").iloc[0]["b"] == "100.0 (40.0) [4; 2.0]"


def test_papers_layout_shows_reflective_shares_pooled_and_unweighted(summary):
    slow = wide_frame(summary, "reflective").iloc[0]
    # All of four and none of two.
    assert (slow["b"], slow["c"], slow["Avg."], slow["Pooled"]) == ("100.0", "0.0", "50.0", "66.7")
    assert "Pooled: share of the responses to all benchmarks together" in layout_note("reflective")
    assert "Pooled" not in layout_note("length")


def test_latex_escapes_what_it_must(summary, tmp_path):
    write_latex(wide_frame(summary, "length"), "100 % of a_b", tmp_path / "table.tex")
    text = (tmp_path / "table.tex").read_text()
    assert "100 \\% of a\\_b" in text
    assert "-50.0 \\%" in text
    assert "\\toprule" in text


def test_reference_need_not_be_a_line_of_the_table_but_must_be_read():
    row = Row(pair="p", method="m", recipe="m", checkpoint="m", reference="r")
    merged, reference = read(tables(["correct"], [5])), read(tables(["correct"], [20]))
    (line,) = make_table("s", [row], ["b"], {"m": merged, "r": reference}).to_pylist()
    assert line["length_change"] == -0.75
    with pytest.raises(UserError, match="no responses and grades are given for checkpoint r"):
        make_table("s", [row], ["b"], {"m": merged})


def test_figure_of_a_table_without_a_reference_is_a_clear_error():
    row = Row(pair="p", method="m", recipe="m", checkpoint="m")
    table = make_table("s", [row], ["b"], {"m": read(tables(["correct"], [5]))})
    with pytest.raises(UserError, match="no checkpoint has a reference"):
        accuracy_length.chart(table, "Title")


def swept(values, method="m"):
    rows = [
        Row(pair="p", method=method, recipe=str(n), hyper_parameters=value, checkpoint=str(n), reference="0")
        for n, value in enumerate(values)
    ]
    return make_table("s", rows, ["b"], {row.checkpoint: read(tables(["correct"] * 3, [4, 5, 6])) for row in rows})


def test_sweep_draws_each_hyper_parameter_that_varies():
    table = swept([{"scale": s, "of": {"keep_fraction": k}} for s in (0.5, 0.7) for k in (0.1, 0.2)])
    chart = sweep.chart(table, "Title").to_dict()
    panels = [column["vconcat"][0] for column in chart["hconcat"]]
    assert [panel["layer"][-1]["encoding"]["x"]["title"] for panel in panels] == ["of.keep_fraction", "scale"]
    series = {row["series"] for rows in chart["datasets"].values() for row in rows if "series" in row}
    assert series == {"of.keep_fraction 0.1", "of.keep_fraction 0.2", "scale 0.5", "scale 0.7"}
    limits = [(row["mean_tokens_low"], row["mean_tokens_high"]) for row in table.to_pylist()]
    assert all(low < 5 < high for low, high in limits)


def test_sweep_over_names_keeps_their_order():
    chart = sweep.chart(swept([{"calibration_data": name} for name in ("s1k-10", "s1k-20", "s1k")]), "Title").to_dict()
    across = chart["hconcat"][0]["vconcat"][0]["layer"][-1]["encoding"]["x"]
    assert (across["type"], across["sort"]) == ("ordinal", ["s1k-10", "s1k-20", "s1k"])


def test_sweep_of_nested_recipes_with_different_hyper_parameters_draws_those_that_vary_alone():
    nested = [{"method": "ties", "keep_fraction": 0.1}, {"method": "dare"}]
    table = swept([{"ratio": ratio, "of": of} for ratio in (0.2, 0.4) for of in nested])
    chart = sweep.chart(table, "Title").to_dict()
    titles = [column["vconcat"][0]["layer"][-1]["encoding"]["x"]["title"] for column in chart["hconcat"]]
    assert titles == ["ratio"]


@pytest.mark.parametrize(
    ("values", "enough"),
    [
        ([{"scale": 0.5}], False),
        ([{"scale": 0.5, "of": {"k": 0.1}}, {"scale": 0.7, "of": {"k": 0.2}}], False),
        ([{"scale": 0.5, "of": {"k": 0.1}}, {"scale": 0.5, "of": {"k": 0.2}}], True),
    ],
)
def test_sweep_needs_two_recipes_that_differ_in_one_hyper_parameter_alone(values, enough):
    lacking = sweep.needs(drawn(swept(values)))
    assert lacking is None if enough else "no two recipes of a pair and method differ in one" in lacking


def test_sweep_can_be_drawn_of_whatever_it_does_not_lack():
    values = [{"a": a, "of": {"method": method}} for a in (1, 2) for method in ("x", "y")] + [{"a": 1}]
    for two in itertools.combinations(values, 2):
        table = swept(two)
        assert (sweep.needs(drawn(table)) is None) == bool(sweep.chart(table, "Title").to_dict()["hconcat"])


def summary_with_levels():
    read_tables = {
        "slow": read(tables(["correct"] * 4, [40, 30, 20, 10], "wait")),
        "m": read(tables(["wrong"] * 4, [9] * 4)),
    }
    rows = [Row(pair="p", method=name, recipe=name, checkpoint=name, reference="slow") for name in read_tables]
    questions = read_tables["m"][0]["question_id"].to_pylist()
    levels = {("b", question): 1 + number // 2 for number, question in enumerate(questions)}
    return make_table("s", rows, ["b"], read_tables, levels)


def test_levels_have_lines_of_their_own_behind_those_over_all_questions():
    lines = summary_with_levels().to_pylist()
    assert [(line["recipe"], line["level"]) for line in lines] == [
        ("slow", None), ("m", None), ("slow", 1), ("slow", 2), ("m", 1), ("m", 2)
    ]  # fmt: skip
    assert [line["mean_tokens"] for line in lines] == [25, 9, 35, 15, 9, 9]
    assert [line["questions"] for line in lines] == [4, 4, 2, 2, 2, 2]
    assert lines[5]["length_change"] == pytest.approx(9 / 15 - 1)
    assert len(display_frame(summary_with_levels())) == 2


def test_figure_by_level_draws_every_level():
    spec = by_level.chart(summary_with_levels(), "Title").to_dict()
    rows = [row for data in spec["datasets"].values() for row in data]
    assert {(row["recipe"], row["level"]) for row in rows} == {
        (name, level) for name in ("slow", "m") for level in (1, 2)
    }
    assert by_level.needs(drawn(summary_with_levels())) is None
    assert by_level.needs(drawn(swept([{}]))) == "no benchmark of the study has levels; name one that has"


def test_radar_closes_every_models_line_and_needs_three_benchmarks():
    parts = [tables(["correct", "wrong"], [3, 4], benchmark=name) for name in ("x", "y", "z")]
    row = Row(pair="p", method="m", recipe="m", checkpoint="m")
    table = make_table("s", [row], ["x", "y", "z"], {"m": read(*parts)})
    spec = radar.chart(table, "Title").to_dict()
    (shown,) = [data for data in spec["datasets"].values() if "recipe" in data[0]]
    assert [round((line["x"] ** 2 + line["y"] ** 2) ** 0.5, 9) for line in shown] == [0.5] * 4
    assert (shown[0]["x"], shown[0]["y"]) == (shown[-1]["x"], shown[-1]["y"])
    assert radar.needs(drawn(table)) is None
    assert "a radar has at least three benchmarks" in radar.needs(drawn(swept([{}])))


def test_what_figures_may_ask_is_the_same_before_and_after_decoding():
    lines = [TableLine("p", "m", {"scale": scale, "of": {"k": 1}}) for scale in (0.5, 0.7)]
    known = drawn(swept([line.hyper_parameters for line in lines]))
    assert known == ({"b": False}, lines)
    assert drawn(summary_with_levels()).benchmarks == {"b": True}


def test_no_figure_loads_altair_or_pandas_before_it_draws():
    names = module_names("l2s.analysis.figures")
    loads = "".join(f"from l2s.analysis.figures import {name}; {name}.needs, {name}.chart; " for name in names)
    code = f"import sys; {loads}sys.exit(' '.join({{'altair', 'pandas'}} & set(sys.modules)) or 0)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "scripts", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("models", [10, 11, 20])
def test_no_two_of_twenty_models_have_the_same_colour(models):
    drawn = alt.Chart(pd.DataFrame({"model": list("abcdefghijklmnopqrst")[:models]}))
    chart = drawn.mark_point(filled=True).encode(x="model:N", color=colour("model", drawn.data["model"], "Model"))
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    assert len(set(re.findall(r'aria-roledescription="point"[^>]* fill="(#[0-9a-f]{6})"', svg))) == models


def test_labels_with_markup_stay_text(tmp_path):
    row = Row(pair="p", method="m", recipe="a | <b> [bold]", checkpoint="m")
    table = make_table("s", [row], ["b"], {"m": read(tables(["correct"], [5]))})
    write_markdown([display_frame(table)], "T", "n", tmp_path / "t.md")
    write_html([display_frame(table)], "A < B", "n", tmp_path / "t.html")
    assert "a \\| <b>" in (tmp_path / "t.md").read_text()
    assert "<title>A &lt; B</title>" in (tmp_path / "t.html").read_text()
