"""Accuracy against mean length as the budget grows: a panel for each checkpoint, its curve over all others in grey.

Each point is the same responses cut after so many generated tokens (the mean over the study's benchmarks), the last one
the responses as they were decoded. A curve further up and to the left gives more for the same length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from l2s.analysis.charts import FAINT, Drawn, finish, heading, in_order, look, wrapped
from l2s.contracts.table import MEAN

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd
    import pyarrow as pa

SHOWS_READINGS = True
WIDTH, HEIGHT = 190, 140
PANELS_A_ROW = 4
LONGEST = 34  # characters of a panel's title in one line


def needs(study: Drawn) -> str | None:
    """Ask for budgets."""
    return None if study.budgets else "the study reads no responses at a budget; give it key 'budgets'"


def chart(table: pa.Table, title: str) -> alt.VConcatChart:
    """Return the chart."""
    import altair as alt

    rows = []
    for pair, points in _points(table).groupby("pair", sort=False):
        panels = [
            _panel(points, own, first=not number % PANELS_A_ROW)
            for number, (_, own) in enumerate(points.groupby("recipe", sort=False))
        ]
        lines = [alt.hconcat(*panels[start : start + PANELS_A_ROW]) for start in range(0, len(panels), PANELS_A_ROW)]
        rows.append(alt.vconcat(*lines).properties(title=heading(f"Pair {pair}")))
    return finish(alt.vconcat(*rows), title)


def _panel(points: pd.DataFrame, own: pd.DataFrame, first: bool) -> alt.LayerChart:
    """Draw one checkpoint's curve over those of its pair; only the first panel of a row names its axis."""
    import altair as alt

    longest = alt.Scale(domain=[0, float(points["mean_tokens"].max()) or 1.0])
    across = alt.X("mean_tokens:Q", title="Mean length in tokens", scale=longest, axis=alt.Axis(tickCount=4))
    percent = alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1])
    up = alt.Y("accuracy:Q", title="Accuracy" if first else None, axis=percent, scale=alt.Scale(domain=[0, 1]))
    tooltip = [
        alt.Tooltip("recipe:N", title="Model"),
        alt.Tooltip("at:N", title="Cut"),
        alt.Tooltip("accuracy:Q", title="Accuracy", format=".1%"),
        alt.Tooltip("accuracy_low:Q", title="95 % interval, from", format=".1%"),
        alt.Tooltip("accuracy_high:Q", title="to", format=".1%"),
        alt.Tooltip("mean_tokens:Q", title="Mean length in tokens", format=",.1f"),
        alt.Tooltip("truncated:Q", title="Truncated", format=".1%"),
    ]
    recipe, drawn = own["recipe"].iloc[0], look(own["method"].iloc[0])
    others = (
        alt.Chart(points).mark_line(color=FAINT, strokeWidth=1).encode(across, up, detail="recipe:N", order="order:Q")
    )
    base = alt.Chart(points).transform_filter(alt.datum.recipe == recipe).encode(across, up, tooltip=tooltip)
    line = base.mark_line(color=drawn.colour, strokeWidth=2).encode(order="order:Q")
    dots = base.mark_point(color=drawn.colour, filled=True, size=45, shape=drawn.shape)
    return alt.layer(others, line, dots).properties(width=WIDTH, height=HEIGHT, title=heading(wrapped(recipe, LONGEST)))


def _points(table: pa.Table) -> pd.DataFrame:
    from l2s.analysis.table import overall

    frame = overall(table)
    several = (frame["benchmark"] == MEAN).any()
    points = frame[frame["read_at"].isna() & ((frame["benchmark"] == MEAN) | (not several))]
    return in_order(points).assign(
        at=points["budget"].map("budget {:,.0f}".format).where(points["budget"].notna(), "as decoded"),
        order=points["budget"].fillna(float("inf")).rank(),
    )
