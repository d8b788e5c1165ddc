"""Accuracy against length compression: the paper's figure 1, left. One panel for each pair.

Each point is a checkpoint (the mean over the study's benchmarks): how much shorter its responses are than the
reference's, and its accuracy with the 95 % interval. Up and to the right is better. The grey steps are the Pareto
front. Names stand beside the plot, a line from each to its point; points at one place are rings around each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from l2s.analysis.charts import (
    CHARACTER,
    FAINT,
    INK,
    Drawn,
    channels,
    finish,
    heading,
    in_order,
    rings,
    spread,
    wrapped,
)
from l2s.contracts.table import MEAN
from l2s.errors import UserError

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd
    import pyarrow as pa

WIDTH, HEIGHT = 480, 400
ROOM = 0.07  # of an axis, around the points
LONGEST = 54  # characters of a name in one line
LINE_HEIGHT, NAME_GAP = 12, 4  # pixels of a line of a name, and from a name to the next
TO_SYMBOL, TO_NAME = 34, 46  # pixels from the plot's right edge
POINT, RING = 8, 7  # diameter of a point, and by how much each ring is larger, in pixels
SUBTITLE = "Grey steps, the Pareto front: no other model is more accurate and has shorter responses as well."


def needs(study: Drawn) -> str | None:
    """Ask for nothing: whether a reference has responses is known from the table only."""
    return None


def chart(table: pa.Table, title: str) -> alt.VConcatChart:
    """Return the chart; checkpoints without a reference are left out.

    Raises:
        UserError: No checkpoint has a reference.
    """
    import altair as alt

    from l2s.analysis.table import overall

    points = _points(overall(table))
    several = points["pair"].nunique() > 1
    panels = [
        _panel(own, str(pair) if several else "", number)
        for number, (pair, own) in enumerate(points.groupby("pair", sort=False))
    ]
    return finish(alt.vconcat(*panels), title, [SUBTITLE])


def _points(frame: pd.DataFrame) -> pd.DataFrame:
    several = (frame["benchmark"] == MEAN).any()
    points = frame[(frame["benchmark"] == MEAN) | (not several)].dropna(subset=["length_change"])
    if points.empty:
        raise UserError("the table has no change of length to draw: no checkpoint has a reference with responses")
    return in_order(points.assign(reduction=-points["length_change"]))


def _panel(points: pd.DataFrame, pair: str, number: int) -> alt.LayerChart:
    import altair as alt

    across = _with_room(points["reduction"].min(), points["reduction"].max())
    up = _with_room(points["accuracy_low"].min(), points["accuracy_high"].max())
    points = _placed(points, across, up)
    percent = alt.Axis(format="%", labelExpr="datum.value > 1 ? '' : datum.label")
    share = alt.Axis(format="%", labelExpr="datum.value < 0 || datum.value > 1 ? '' : datum.label")
    # Names lie beyond the axis, in the same measure.
    scale = {"x": alt.Scale(domain=across, nice=False, range=[0, WIDTH])}
    scale["y"] = alt.Scale(domain=up, nice=False, range=[HEIGHT, 0])
    x = alt.X("reduction:Q", title="Responses shorter than the reference's by", axis=percent, scale=scale["x"])
    y = alt.Y("accuracy:Q", title="Accuracy", axis=share, scale=scale["y"])
    picked = alt.selection_point(f"picked_{number}", fields=["recipe"])
    shown = alt.condition(picked, alt.value(1), alt.value(0.15))
    looks = channels(points, legend=False)
    base = alt.Chart(points).encode(color=looks["color"], opacity=shown, tooltip=_tooltip())
    front = alt.Chart(_front(points)).mark_line(interpolate="step-before", color=FAINT, strokeWidth=2).encode(x, y)
    leaders = alt.Chart(points).mark_rule(color=FAINT, strokeWidth=0.8).encode(x, y, alt.X2("name_x"), alt.Y2("name_y"))
    bars = base.mark_rule(strokeWidth=1.4).encode(x, alt.Y("accuracy_low:Q"), alt.Y2("accuracy_high:Q"))
    dots = base.transform_filter("datum.ring == 0").mark_point(filled=True, size=POINT**2)
    dots = dots.encode(x, y, shape=looks["shape"])
    around = base.transform_filter("datum.ring > 0").mark_point(filled=False, strokeWidth=2)
    around = around.encode(x, y, size=alt.Size("area:Q", scale=None, legend=None))
    name_x, name_y = alt.X("name_x:Q", scale=scale["x"]), alt.Y("name_y:Q", scale=scale["y"])
    symbols = base.mark_point(filled=True, size=60).encode(name_x, name_y, shape=looks["shape"])
    names = alt.Chart(points).mark_text(
        align="left",
        baseline="middle",
        lineHeight=LINE_HEIGHT,
        fontSize=11,
        color=INK,
        dx=TO_NAME - TO_SYMBOL,
        dy={"expr": f"(1 - datum.name.length) * {LINE_HEIGHT / 2}"},
    )
    names = names.encode(name_x, name_y, text="name:N", opacity=shown, tooltip=_tooltip())
    layered = alt.layer(front, leaders, bars, around, dots, symbols, names.add_params(picked))
    longest = max(len(line) for lines in points["name"] for line in lines)
    return layered.properties(width=WIDTH + TO_NAME + int(CHARACTER * longest), height=HEIGHT, title=heading(pair))


def _with_room(low: float, high: float) -> list[float]:
    room = ROOM * ((high - low) or 1.0)
    return [float(low - room), float(high + room)]


def _placed(points: pd.DataFrame, across: list[float], up: list[float]) -> pd.DataFrame:
    """Add which ring each point is, and where its name stands, in the measure of the axes."""
    right = (points["reduction"] - across[0]) / (across[1] - across[0]) * WIDTH
    down = (up[1] - points["accuracy"]) / (up[1] - up[0]) * HEIGHT
    points = points.assign(right=right, down=down, ring=rings(right.tolist(), down.tolist()))
    points["area"] = (POINT + RING * points["ring"]) ** 2
    # From the top, and of equally accurate ones from the left: so that few lines to names cross.
    ordered = points.assign(row=down.round()).sort_values(["row", "right"], kind="stable")
    ordered["name"] = [wrapped(recipe, LONGEST) for recipe in ordered["recipe"]]
    sizes = [NAME_GAP + LINE_HEIGHT * len(lines) for lines in ordered["name"]]
    rows = spread(ordered["down"].tolist(), sizes, HEIGHT)
    ordered["name_y"] = [up[1] - row / HEIGHT * (up[1] - up[0]) for row in rows]
    ordered["name_x"] = across[0] + (WIDTH + TO_SYMBOL) / WIDTH * (across[1] - across[0])
    return ordered


def _front(points: pd.DataFrame) -> pd.DataFrame:
    """Return the points that no other one beats in both, from the longest responses to the shortest."""
    best = points.sort_values(["reduction", "accuracy"], ascending=False)
    return best[best["accuracy"] > best["accuracy"].cummax().shift(fill_value=-1)]


def _tooltip() -> list[alt.Tooltip]:
    import altair as alt

    return [
        alt.Tooltip("recipe:N", title="Model"),
        alt.Tooltip("accuracy:Q", title="Accuracy", format=".1%"),
        alt.Tooltip("accuracy_low:Q", title="95 % interval, from", format=".1%"),
        alt.Tooltip("accuracy_high:Q", title="to", format=".1%"),
        alt.Tooltip("mean_tokens:Q", title="Mean length in tokens", format=".1f"),
        alt.Tooltip("reduction:Q", title="Shorter by", format=".1%"),
    ]
