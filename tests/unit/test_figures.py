"""Figures draw what a table holds, and say beforehand what they lack."""

import csv
import itertools
import subprocess
import sys

import numpy as np
import pytest
from support import ROOT
from tables import NONE, read, tables

from l2s.analysis.charts import LOOKS, TableLine, channels, drawn, look, spread, wrapped
from l2s.analysis.figures import accuracy_length, budget_curve, by_level, radar, sweep
from l2s.analysis.render_table import display_frame, write_markdown
from l2s.analysis.table import Row, make_table, overall
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


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return linear, 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


# What eyes without one kind of cone see of linear red, green and blue (Machado, Oliveira and Fernandes 2009).
BLINDNESS = {
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
}


def test_every_method_is_seen_on_white_paper_and_told_apart_without_colour_vision():
    for one in LOOKS.values():
        assert 1.05 / (luminance(one.colour)[1] + 0.05) >= 3, one
    assert len(set(LOOKS.values())) == len(LOOKS)
    for one, other in itertools.combinations(LOOKS.values(), 2):
        if one.shape == other.shape:
            for matrix in BLINDNESS.values():
                seen = [matrix @ np.array(luminance(shown.colour)[0]) for shown in (one, other)]
                assert np.abs(np.clip(seen[0], 0, 1) ** 0.45 - np.clip(seen[1], 0, 1) ** 0.45).max() > 0.1, (one, other)


def test_every_method_of_the_paper_has_a_look_of_its_own():
    with (ROOT / "config/published/paper/cells.csv").open(newline="") as stream:
        assert {row["method"] for row in csv.DictReader(stream)} <= set(LOOKS)


def compared(*lines):
    """Return a table of (method, share of right responses, length), the first line being the reference."""
    rows, given = [], {}
    for number, (method, right, length) in enumerate(lines):
        name = f"{method}, scale {number}"
        rows.append(Row(pair="p", method=method, recipe=name, checkpoint=str(number), reference="0"))
        given[str(number)] = read(tables(["correct"] * right + ["wrong"] * (10 - right), [length] * 10))
    return make_table("s", rows, ["b"], given)


def drawn_rows(spec, *columns):
    data = [rows for rows in spec["datasets"].values() if rows and set(columns) <= set(rows[0])]
    return [tuple(row[column] for column in columns) for rows in data for row in rows]


def test_coincident_points_are_rings_around_each_other_and_names_do_not_cover_each_other():
    table = compared(("slow", 9, 90), *[(method, 9, 30) for method in ("ties", "dare", "sens", "twin", "lore")])
    spec = accuracy_length.chart(table, "Title").to_dict()
    rings = dict(drawn_rows(spec, "recipe", "ring"))
    assert sorted(rings.values()) == [0, 0, 1, 2, 3, 4]
    (panel,) = spec["vconcat"]
    low, high = next(layer["encoding"]["y"]["scale"]["domain"] for layer in panel["layer"])
    heights = sorted((high - y) / (high - low) * panel["height"] for y in set(drawn_rows(spec, "name_y")) for y in y)
    assert min(b - a for a, b in itertools.pairwise(heights)) >= accuracy_length.LINE_HEIGHT
    assert heights[0] >= 0 and heights[-1] <= panel["height"]


def test_long_names_are_broken_and_their_column_is_wide_enough():
    assert wrapped("aim, calibration_data demo, of ties keep_fraction 0.2", 30) == [
        "aim, calibration_data demo,", "of ties keep_fraction 0.2"
    ]  # fmt: skip
    name = "sens, " + ", ".join(f"hyper_parameter_{n} {n}" for n in range(9))
    assert ", ".join(wrapped(name, 40)).replace(",, ", ", ") == name
    assert max(map(len, wrapped(name, 40))) <= 40


@pytest.mark.parametrize("wanted", [[0, 0, 0, 0], [390, 395, 399, 400], [0, 10, 200, 390], [100, 100, 110, 120]])
def test_labels_are_spread_within_their_line_with_room_for_each(wanted):
    sizes = [16, 40, 16, 28]
    placed = spread(wanted, sizes, 400)
    gaps = [(a + b) / 2 for a, b in itertools.pairwise(sizes)]
    assert all(b - a >= gap - 1e-9 for (a, b), gap in zip(itertools.pairwise(placed), gaps, strict=True))
    assert placed[0] >= 0 and placed[-1] <= 400


def test_pareto_front_holds_what_no_other_model_beats_in_both():
    table = compared(("slow", 9, 90), ("ties", 9, 40), ("dare", 8, 50), ("twin", 6, 20), ("quick", 2, 5))
    spec = accuracy_length.chart(table, "Title").to_dict()
    (front,) = [layer for layer in spec["vconcat"][0]["layer"] if layer["mark"].get("interpolate") == "step-before"]
    methods = [row["method"] for row in spec["datasets"][front["data"]["name"]]]
    assert sorted(methods) == ["quick", "ties", "twin"]


def test_figures_name_methods_in_the_papers_order_with_the_same_colours():
    table = compared(("slow", 9, 90), ("sens", 9, 40), ("quick", 2, 5), ("ties", 9, 40), ("negation", 3, 3))
    names = ["quick, scale 2", "slow, scale 0", "ties, scale 3", "sens, scale 1", "negation, scale 4"]
    found = channels(overall(table))["color"].to_dict()["scale"]
    assert found["domain"] == names
    assert found["range"] == [look(name.partition(",")[0]).colour for name in names]
    assert found["range"][:4] == [LOOKS[method].colour for method in ("quick", "slow", "ties", "sens")]


def test_recipes_of_one_method_differ_in_their_dashes():
    frame = overall(compared(("twin", 9, 90), ("twin", 8, 40), ("ties", 8, 40)))
    found = channels(frame)["strokeDash"].to_dict()["scale"]["range"]
    assert found[0] == found[1] != found[2]


def test_budget_curve_has_a_panel_for_each_model_named_in_full():
    name = "aim, calibration_data demo, of ties keep_fraction 0.2 scale 1, omega 0.4"
    parts = [tables(["correct"], [9]), tables(["wrong"], [4], budget=4)]
    rows = [Row(pair="p", method="m", recipe=r, checkpoint="m", budgets=(4,)) for r in (name, "b", "c", "d", "e")]
    spec = budget_curve.chart(make_table("s", rows, ["b"], {"m": read(*parts)}), "Title").to_dict()
    titles = [panel["title"]["text"] for line in spec["vconcat"][0]["vconcat"] for panel in line["hconcat"]]
    assert [" ".join(title) for title in titles] == [name, "b", "c", "d", "e"]


def test_sweeps_length_begins_at_zero_and_its_level_lines_are_in_the_legend():
    rows = [Row(pair="p", method="slow", recipe="slow", checkpoint="0", reference="0")]
    rows += [
        Row(pair="p", method="ties", recipe=str(s), hyper_parameters={"scale": s}, checkpoint="0", reference="0")
        for s in (0.5, 0.7)
    ]
    table = make_table("s", rows, ["b"], {"0": read(tables(["correct"] * 3, [4, 5, 6]))})
    _, length = sweep.chart(table, "Title").to_dict()["hconcat"][0]["vconcat"]
    points = length["layer"][-1]["encoding"]
    assert points["y"]["scale"]["zero"]
    assert points["color"]["scale"]["domain"] == ["ties", "slow"]
    assert points["color"]["scale"]["range"] == [LOOKS["ties"].colour, LOOKS["slow"].colour]


def test_labels_with_markup_stay_text(tmp_path):
    row = Row(pair="p", method="m", recipe="a | <b> [bold]", checkpoint="m")
    table = make_table("s", [row], ["b"], {"m": read(tables(["correct"], [5]))})
    write_markdown([display_frame(table, NONE)], "T", "n", tmp_path / "t.md")
    assert "a \\| &lt;b>" in (tmp_path / "t.md").read_text()
