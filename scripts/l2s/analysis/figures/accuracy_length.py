"""Accuracy against length compression: the paper's figure 1, left.

Each point is a checkpoint (the mean over the study's benchmarks): how much shorter its responses are than the
reference's, and its accuracy with the 95 % interval. Up and to the right is better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from l2s.analysis.charts import Drawn, colour
from l2s.contracts.table import MEAN
from l2s.errors import UserError

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd
    import pyarrow as pa

WIDTH, HEIGHT = 620, 420
ROOM = 75  # pixels around the points, for their names
NEAR = 0.1  # share of an axis within which names would run into each other
FIRST_NAME, NEXT_NAME = 9, 12  # pixels from a point to its name, and from a name to the next in a list


def needs(study: Drawn) -> str | None:
    """Ask for nothing: whether a reference has responses is known from the table only."""
    return None


def chart(table: pa.Table, title: str) -> alt.LayerChart:
    """Return the chart; checkpoints without a reference are left out.

    Raises:
        UserError: No checkpoint has a reference.
    """
    import altair as alt

    from l2s.analysis.table import overall

    points = _points(overall(table))
    # The room around the points reaches beyond 100 %, and below no accuracy at all, where there is nothing to read.
    shorter_by = alt.Axis(format="%", labelExpr="datum.value > 1 ? '' : datum.label")
    share = alt.Axis(format="%", labelExpr="datum.value < 0 || datum.value > 1 ? '' : datum.label")
    room = alt.Scale(zero=False, nice=False, padding=ROOM)
    reduction = alt.X("reduction:Q", title="Responses shorter than the reference's by", axis=shorter_by, scale=room)
    accuracy = alt.Y("accuracy:Q", title="Accuracy", axis=share, scale=room)
    low = alt.Y("accuracy_low:Q", title="Accuracy", axis=share, scale=room)
    tooltip = [
        alt.Tooltip("recipe:N", title="Model"),
        alt.Tooltip("accuracy:Q", title="Accuracy", format=".1%"),
        alt.Tooltip("accuracy_low:Q", title="95 % interval, from", format=".1%"),
        alt.Tooltip("accuracy_high:Q", title="to", format=".1%"),
        alt.Tooltip("mean_tokens:Q", title="Mean length in tokens", format=".1f"),
        alt.Tooltip("reduction:Q", title="Shorter by", format=".1%"),
    ]
    picked = alt.selection_point(fields=["method"], bind="legend")
    base = alt.Chart(points).encode(
        color=colour("method", points["method"], "Method"),
        opacity=alt.condition(picked, alt.value(1), alt.value(0.15)),
        tooltip=tooltip,
    )
    bars = base.mark_rule(strokeWidth=1.2).encode(reduction, low, alt.Y2("accuracy_high:Q"))
    shape = alt.Shape("pair:N", title="Pair") if points["pair"].nunique() > 1 else alt.value("circle")
    marks = base.mark_point(filled=True, size=90).encode(reduction, accuracy, shape=shape)
    names = base.mark_text(align="left", dx=8, dy={"expr": "datum.name_shift"}, fontSize=10).encode(
        reduction, accuracy, text="name:N"
    )
    layered = alt.layer(bars, marks, names).add_params(picked)
    return layered.properties(width=WIDTH, height=HEIGHT, title=title).interactive()


def _points(frame: pd.DataFrame) -> pd.DataFrame:
    several = (frame["benchmark"] == MEAN).any()
    points = frame[(frame["benchmark"] == MEAN) | (not several)].dropna(subset=["length_change"]).copy()
    if points.empty:
        raise UserError("the table has no change of length to draw: no checkpoint has a reference with responses")
    points["reduction"] = -points["length_change"]
    # The colour tells the method; where it has several points, their hyper-parameters tell them apart.
    several_of = points["method"].duplicated(keep=False)
    settings = points["recipe"].str.partition(", ")[2].where(lambda text: text != "", points["recipe"])
    points["name"] = points["method"].where(~several_of, settings)
    points["name_shift"] = _name_shifts(points["reduction"].tolist(), points["accuracy"].tolist())
    return points


def _name_shifts(reductions: list[float], accuracies: list[float]) -> list[int]:
    """Return by how many pixels each point's name moves down, so that names of close points form a list."""
    width = (max(reductions) - min(reductions)) or 1.0
    height = (max(accuracies) - min(accuracies)) or 1.0
    top = max(accuracies) - NEAR * height
    shifts: list[int] = []
    for number, (x, y) in enumerate(zip(reductions, accuracies, strict=True)):
        earlier = zip(reductions[:number], accuracies[:number], strict=True)
        crowd = sum(abs(x - a) / width < NEAR and abs(y - b) / height < NEAR for a, b in earlier)
        # Only the topmost points have nothing above them.
        shifts.append((FIRST_NAME + crowd * NEXT_NAME) * (-1 if y > top else 1))
    return shifts
