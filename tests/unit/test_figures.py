"""Figures draw what a table holds, and say beforehand what they lack."""

import itertools
import re
import subprocess
import sys

import altair as alt
import pandas as pd
import pytest
import vl_convert
from support import ROOT
from tables import NONE, read, tables

from l2s.analysis.charts import TableLine, colour, drawn
from l2s.analysis.figures import accuracy_length, by_level, radar, sweep
from l2s.analysis.render_table import display_frame, write_html, write_markdown
from l2s.analysis.table import Row, make_table
from l2s.errors import UserError
from l2s.modules import module_names


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
    assert len(display_frame(summary_with_levels(), NONE)) == 2


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
    assert known == ({"b": False}, lines, [])
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
    write_markdown([display_frame(table, NONE)], "T", "n", tmp_path / "t.md")
    write_html([display_frame(table, NONE)], "A < B", "n", tmp_path / "t.html")
    assert "a \\| &lt;b>" in (tmp_path / "t.md").read_text()
    assert "<title>A &lt; B</title>" in (tmp_path / "t.html").read_text()
