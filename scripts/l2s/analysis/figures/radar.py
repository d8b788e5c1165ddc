"""Accuracy by benchmark on a radar, a line for each model: the paper's figure 1, right. One radar for each pair."""

from __future__ import annotations

from math import cos, pi, sin
from typing import TYPE_CHECKING

from l2s.analysis.charts import Drawn, colour
from l2s.contracts.table import MEAN

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd
    import pyarrow as pa

SIZE = 420
RINGS = (0.25, 0.5, 0.75, 1.0)
LABEL_RADIUS = 1.12
DOMAIN = [-1.25, 1.25]


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
    models = colour("recipe", frame["recipe"], "Model")
    charts = [_radar(lines, benchmarks, str(pair), models) for pair, lines in frame.groupby("pair", sort=False)]
    return alt.hconcat(*charts).properties(title=title)


def _radar(lines: pd.DataFrame, benchmarks: list[str], pair: str, models: alt.Color) -> alt.LayerChart:
    import altair as alt
    import pandas as pd

    angle = {benchmark: pi / 2 - 2 * pi * number / len(benchmarks) for number, benchmark in enumerate(benchmarks)}
    points = _placed(lines, lines["accuracy"], angle)
    # Each line returns to where it began.
    closing = points.groupby("recipe", sort=False).head(1).assign(order=len(benchmarks))
    rings = _rings(benchmarks, angle)
    names = pd.DataFrame({"benchmark": benchmarks})
    spokes = _placed(names, pd.Series(LABEL_RADIUS, names.index), angle)
    scale = alt.Scale(domain=DOMAIN)
    x, y = alt.X("x:Q", scale=scale, axis=None), alt.Y("y:Q", scale=scale, axis=None)
    grid = alt.Chart(rings).mark_line(color="lightgrey", strokeWidth=0.8).encode(x, y, order="order:Q", detail="ring:N")
    marks = alt.Chart(rings[rings["order"] == 0]).mark_text(dx=12, fontSize=9, color="grey").encode(x, y, text="ring:N")
    labels = alt.Chart(spokes).mark_text(fontSize=11).encode(x, y, text="benchmark:N")
    tooltip = [
        alt.Tooltip("recipe:N", title="Model"),
        alt.Tooltip("benchmark:N", title="Benchmark"),
        alt.Tooltip("accuracy:Q", title="Accuracy", format=".1%"),
        alt.Tooltip("accuracy_low:Q", title="95 % interval, from", format=".1%"),
        alt.Tooltip("accuracy_high:Q", title="to", format=".1%"),
    ]
    base = alt.Chart(pd.concat([points, closing])).encode(x, y, color=models, tooltip=tooltip)
    drawn = base.mark_line(point=True).encode(order="order:Q")
    return alt.layer(grid, marks, drawn, labels).properties(width=SIZE, height=SIZE, title=pair)


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
