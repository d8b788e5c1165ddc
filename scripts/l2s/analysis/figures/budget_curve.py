"""Accuracy against mean length as the budget grows: a curve for each checkpoint.

Each point is the same responses cut after so many generated tokens (the mean over the study's benchmarks), the last one
the responses as they were decoded. A curve further up and to the left gives more for the same length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from l2s.analysis.charts import Drawn, colour
from l2s.contracts.table import MEAN

if TYPE_CHECKING:
    import altair as alt
    import pyarrow as pa

SHOWS_READINGS = True
WIDTH, HEIGHT = 620, 420


def needs(study: Drawn) -> str | None:
    """Ask for budgets."""
    return None if study.budgets else "the study reads no responses at a budget; give it key 'budgets'"


def chart(table: pa.Table, title: str) -> alt.LayerChart:
    """Return the chart."""
    import altair as alt

    from l2s.analysis.table import overall

    frame = overall(table)
    several = (frame["benchmark"] == MEAN).any()
    points = frame[frame["read_at"].isna() & ((frame["benchmark"] == MEAN) | (not several))]
    points = points.assign(
        at=points["budget"].map("budget {:,.0f}".format).where(points["budget"].notna(), "as decoded"),
        order=points["budget"].fillna(float("inf")).rank(),
    )
    across = alt.X("mean_tokens:Q", title="Mean length in tokens", scale=alt.Scale(zero=True))
    up = alt.Y("accuracy:Q", title="Accuracy", axis=alt.Axis(format="%"), scale=alt.Scale(domainMin=0, domainMax=1))
    tooltip = [
        alt.Tooltip("recipe:N", title="Model"),
        alt.Tooltip("at:N", title="Cut"),
        alt.Tooltip("accuracy:Q", title="Accuracy", format=".1%"),
        alt.Tooltip("accuracy_low:Q", title="95 % interval, from", format=".1%"),
        alt.Tooltip("accuracy_high:Q", title="to", format=".1%"),
        alt.Tooltip("mean_tokens:Q", title="Mean length in tokens", format=",.1f"),
        alt.Tooltip("truncated:Q", title="Truncated", format=".1%"),
    ]
    picked = alt.selection_point(fields=["recipe"], bind="legend")
    base = alt.Chart(points).encode(
        across,
        up,
        color=colour("recipe", points["recipe"], "Model"),
        opacity=alt.condition(picked, alt.value(1), alt.value(0.12)),
        detail=["pair:N", "recipe:N"],
        order="order:Q",
        tooltip=tooltip,
    )
    lines = alt.layer(base.mark_line(), base.mark_point(filled=True, size=50)).add_params(picked)
    return lines.properties(width=WIDTH, height=HEIGHT, title=title)
