"""Accuracy by benchmark on a radar, a line for each model: the paper's figure 1, right. One radar for each pair."""

from __future__ import annotations

from math import cos, pi, sin
from typing import TYPE_CHECKING, Any

from l2s.analysis.charts import Drawn, channels, finish, heading
from l2s.contracts.table import MEAN

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd
    import pyarrow as pa

WIDTH, HEIGHT = 620, 420
RINGS = (0.25, 0.5, 0.75, 1.0)
LABEL_RADIUS = 1.07
REACH = 1.2  # of the height, from the middle; the width has room for names besides
DOMAINS = [[-REACH * WIDTH / HEIGHT, REACH * WIDTH / HEIGHT], [-REACH, REACH]]
SIDES = ("right", "center", "left")
"""How the name of a corner left of the middle is aligned, above or below it, and right of it."""


def needs(study: Drawn) -> str | None:
    """Ask for corners."""
    enough = len(study.benchmarks) >= 3
    return None if enough else "a radar has at least three benchmarks; name more in key 'benchmarks'"


def chart(table: pa.Table, title: str) -> alt.HConcatChart:
    """Return the chart."""
    import altair as alt

    from l2s.analysis.table import overall

    frame = overall(table)
    frame = frame[frame["benchmark"] != MEAN]
    benchmarks = list(dict.fromkeys(frame["benchmark"]))
    looks = channels(frame)
    charts = [_radar(lines, benchmarks, str(pair), looks) for pair, lines in frame.groupby("pair", sort=False)]
    return finish(alt.hconcat(*charts), title)


def _radar(lines: pd.DataFrame, benchmarks: list[str], pair: str, looks: dict[str, Any]) -> alt.LayerChart:
    import altair as alt
    import pandas as pd

    angle = {benchmark: pi / 2 - 2 * pi * number / len(benchmarks) for number, benchmark in enumerate(benchmarks)}
    points = _placed(lines, lines["accuracy"], angle)
    # Each line returns to where it began.
    closing = points.groupby("recipe", sort=False).head(1).assign(order=len(benchmarks))
    rings = _rings(benchmarks, angle)
    names = pd.DataFrame({"benchmark": benchmarks})
    spokes = _placed(names, pd.Series(LABEL_RADIUS, names.index), angle)
    x, y = (
        alt_class(f"{name}:Q", scale=alt.Scale(domain=domain), axis=None)
        for alt_class, name, domain in zip((alt.X, alt.Y), "xy", DOMAINS, strict=True)
    )
    grid = alt.Chart(rings).mark_line(color="lightgrey", strokeWidth=0.8).encode(x, y, order="order:Q", detail="ring:N")
    marks = alt.Chart(rings[rings["order"] == 0]).mark_text(dx=12, fontSize=9, color="grey").encode(x, y, text="ring:N")
    spokes["side"] = [SIDES[1 + (place > 0.1) - (place < -0.1)] for place in spokes["x"]]
    # A white edge, so that they can be read over a line.
    edges = marks.mark_text(dx=12, fontSize=9, color="white", stroke="white", strokeWidth=3)
    labels = [
        alt.Chart(named).mark_text(fontSize=11, align=side).encode(x, y, text="benchmark:N")
        for side, named in spokes.groupby("side")
    ]
    tooltip = [
        alt.Tooltip("recipe:N", title="Model"),
        alt.Tooltip("benchmark:N", title="Benchmark"),
        alt.Tooltip("accuracy:Q", title="Accuracy", format=".1%"),
        alt.Tooltip("accuracy_low:Q", title="95 % interval, from", format=".1%"),
        alt.Tooltip("accuracy_high:Q", title="to", format=".1%"),
    ]
    base = alt.Chart(pd.concat([points, closing])).encode(x, y, color=looks["color"], tooltip=tooltip)
    drawn = base.mark_line().encode(order="order:Q", strokeDash=looks["strokeDash"])
    dots = base.mark_point(filled=True, size=45).encode(shape=looks["shape"])
    return alt.layer(grid, drawn, dots, edges, marks, *labels).properties(
        width=WIDTH, height=HEIGHT, title=heading(pair)
    )


def _placed(frame: pd.DataFrame, radius: pd.Series, angle: dict[str, float]) -> pd.DataFrame:
    """Add the coordinates of points at these radii, in the direction of their benchmark."""
    order = {benchmark: number for number, benchmark in enumerate(angle)}
    return frame.assign(
        x=radius * frame["benchmark"].map(lambda name: cos(angle[name])),
        y=radius * frame["benchmark"].map(lambda name: sin(angle[name])),
        order=frame["benchmark"].map(order),
    )


def _rings(benchmarks: list[str], angle: dict[str, float]) -> pd.DataFrame:
    import pandas as pd

    corners = pd.DataFrame({"benchmark": [*benchmarks, benchmarks[0]]})
    rings = [
        _placed(corners, pd.Series(ring, corners.index), angle).assign(ring=f"{ring:.0%}", order=range(len(corners)))
        for ring in RINGS
    ]
    return pd.concat(rings)
