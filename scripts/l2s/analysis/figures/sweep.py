"""Accuracy and length against a hyper-parameter, with 95 % intervals: one column for each hyper-parameter that varies.

A study that gives a list or a range for a hyper-parameter draws itself. Where several vary, each combination of the
others is a line of its own. The level dashed lines are the pair's own models.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Any

from l2s.analysis.charts import DASHES, SERIES, Drawn, Line, dotted, finish, heading, look
from l2s.contracts.table import MEAN

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd
    import pyarrow as pa

WIDTH, HEIGHT = 320, 220
POINT, RING, RINGS = 7, 5, 5  # diameter of a point in pixels, by how much each ring is larger, and how many there are
MEASURES = (
    ("accuracy", "Accuracy", "%"),
    ("mean_tokens", "Mean length in tokens", ",.0f"),
)


def needs(study: Drawn) -> str | None:
    """Ask for two points of one sweep."""
    if any(_in_one_sweep(*two) for two in combinations(study.lines, 2)):
        return None
    return (
        "no two recipes of a pair and method differ in one hyper-parameter alone; give one a list or a range in key "
        "'recipes'"
    )


def _in_one_sweep(one: Line, other: Line) -> bool:
    first, second = dotted(one.hyper_parameters), dotted(other.hyper_parameters)
    differing = [key for key in first.keys() | second.keys() if first.get(key) != second.get(key)]
    return (one.pair, one.method) == (other.pair, other.method) and len(differing) == 1


def chart(table: pa.Table, title: str) -> alt.HConcatChart:
    """Return the chart."""
    import altair as alt

    from l2s.analysis.table import overall

    frame = overall(table)
    several = (frame["benchmark"] == MEAN).any()
    frame = frame[(frame["benchmark"] == MEAN) | (not several)]
    columns = []
    for points, own, key in _sweeps(frame):
        panels = [_panel(points, own, key, measure) for measure in MEASURES]
        # One legend for both.
        columns.append(alt.vconcat(*panels).resolve_scale(color="shared", strokeDash="shared"))
    apart = dict.fromkeys(("color", "strokeDash", "size"), "independent")
    return finish(alt.hconcat(*columns).resolve_scale(**apart), title)


def _sweeps(frame: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, pd.DataFrame, str]]:
    """Yield the points of each (pair, method, hyper-parameter) that varies, the pair's own models, and its name."""
    import pandas as pd

    own = frame[frame["method"].isin(["quick", "slow"])]
    for (pair, method), points in frame.drop(own.index).groupby(["pair", "method"], sort=False):
        rows = [dotted(json.loads(text)) for text in points["hyper_parameters"]]
        settings = pd.DataFrame(rows, points.index)
        varying = [key for key in settings if settings[key].map(str).nunique() > 1]
        for key in varying:
            others = [other for other in varying if other != key]
            swept = points.assign(
                value=settings[key],
                series=[_describe({other: row[other] for other in others if other in row}) or method for row in rows],
                heading=f"{pair}: {method}",
            )
            # A line through one point is none; it belongs to another hyper-parameter's sweep.
            sizes = swept.groupby("series")["value"].transform("size")
            if (sizes > 1).any():
                yield swept[sizes > 1], own[own["pair"] == pair], key


def _describe(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in values.items()
    )


def _panel(points: pd.DataFrame, own: pd.DataFrame, key: str, measure: tuple[str, str, str]) -> alt.LayerChart:
    import altair as alt
    import pandas as pd

    column, name, form = measure
    numeric = pd.api.types.is_numeric_dtype(points["value"])
    # Pandas' own types only: a column of mixed objects would not reach the page.
    points = points.astype({"value": float if numeric else str})
    kind, order = ("Q", None) if numeric else ("O", list(dict.fromkeys(points["value"])))
    across = alt.X(f"value:{kind}", title=key, sort=order, scale=alt.Scale(zero=not numeric))
    # Lengths from zero: half the height is half the length.
    up = alt.Y(f"{column}:Q", title=name, axis=alt.Axis(format=form), scale=alt.Scale(zero=form != "%"))
    tooltip = [
        alt.Tooltip("recipe:N", title="Model"),
        alt.Tooltip(f"{column}:Q", title=name, format=".1%" if form == "%" else ",.1f"),
        alt.Tooltip(f"{column}_low:Q", title="95 % interval, from", format=".1%" if form == "%" else ",.1f"),
        alt.Tooltip(f"{column}_high:Q", title="to", format=".1%" if form == "%" else ",.1f"),
    ]
    looks = _looks(points, own)
    base = alt.Chart(points).encode(across, color=looks["color"], tooltip=tooltip)
    bars = base.mark_rule().encode(alt.Y(f"{column}_low:Q", title=name), alt.Y2(f"{column}_high:Q"))
    dots = base.mark_point(filled=points["series"].nunique() == 1, strokeWidth=2).encode(up, size=looks["size"])
    lines = base.mark_line().encode(up, strokeDash=looks["strokeDash"])
    models = alt.Chart(own.assign(series=own["recipe"])).encode(alt.Y(f"{column}:Q", title=name))
    models = models.encode(color=looks["color"], strokeDash=looks["strokeDash"])
    rules = models.mark_rule(strokeWidth=1.5).encode(tooltip="recipe:N")
    title = heading(points["heading"].iloc[0] if column == MEASURES[0][0] else "")
    return alt.layer(rules, bars, dots, lines).properties(width=WIDTH, height=HEIGHT, title=title)


def _looks(points: pd.DataFrame, own: pd.DataFrame) -> dict[str, Any]:
    """Return colour, dash and size of points of each series, and of the pair's own models, which are drawn level.

    Points of several series are rings of different sizes, so that none hides another.
    """
    import altair as alt

    series, models = list(dict.fromkeys(points["series"])), own[["recipe", "method"]].drop_duplicates("recipe")
    colours = [look(points["method"].iloc[0]).colour, *SERIES] if len(series) == 1 else SERIES
    domain = [*series, *models["recipe"]]
    many = [(colours[n % len(colours)], DASHES[n // len(colours) % len(DASHES)]) for n in range(len(series))]
    level = [(look(method).colour, DASHES[1 + (method == "slow")]) for method in models["method"]]
    colour, dash = zip(*many, *level, strict=True)
    sizes = [(POINT + RING * (n % RINGS)) ** 2 for n in range(len(series))]
    legend = alt.Legend(labelLimit=0, symbolLimit=0, columns=1, symbolType="stroke")
    return {
        "size": alt.Size("series:N", scale=alt.Scale(domain=series, range=sizes), legend=None),
        "color": alt.Color("series:N", title=None, scale=alt.Scale(domain=domain, range=colour), legend=legend),
        "strokeDash": alt.StrokeDash("series:N", title=None, scale=alt.Scale(domain=domain, range=dash), legend=legend),
    }
