"""Length, reflection and accuracy against the questions' level, for benchmarks with levels: the paper's figure 2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from l2s.analysis.charts import Drawn, channels, finish, heading, in_order

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd
    import pyarrow as pa

WIDTH, HEIGHT = 300, 240
MEASURES = (
    ("mean_tokens", "Mean length in tokens", ",.0f", True),
    ("reflective", "Reflective responses", "%", False),
    ("accuracy", "Accuracy", "%", True),
)


def needs(study: Drawn) -> str | None:
    """Ask for levels."""
    return None if any(study.benchmarks.values()) else "no benchmark of the study has levels; name one that has"


def chart(table: pa.Table, title: str) -> alt.VConcatChart:
    """Return the chart."""
    import altair as alt

    from l2s.analysis.table import by_grader

    frame = by_grader(table)
    frame = frame[frame["level"].notna()].astype({"level": int})
    looks = channels(frame)
    rows = [
        alt.hconcat(*(_panel(lines, measure, looks) for measure in MEASURES)).properties(
            title=heading(f"{pair}, {benchmark}")
        )
        for (pair, benchmark), lines in frame.groupby(["pair", "benchmark"], sort=False)
    ]
    return finish(alt.vconcat(*rows), title)


def _panel(lines: pd.DataFrame, measure: tuple[str, str, str, bool], looks: dict[str, Any]) -> alt.LayerChart:
    import altair as alt

    column, name, form, with_limits = measure
    across = alt.X("level:O", title="Level", axis=alt.Axis(labelAngle=0))
    # Intervals of a few responses reach below zero, lengths and shares do not.
    up = alt.Y(f"{column}:Q", title=name, axis=alt.Axis(format=form), scale=alt.Scale(domainMin=0))
    tooltip = [
        alt.Tooltip("recipe:N", title="Model"),
        alt.Tooltip("level:O", title="Level"),
        alt.Tooltip("questions:Q", title="Questions"),
        alt.Tooltip(f"{column}:Q", title=name, format=".1%" if form == "%" else ",.1f"),
    ]
    # Beside each other, so that none hides another.
    beside = alt.XOffset("recipe:N", sort=list(dict.fromkeys(in_order(lines)["recipe"])))
    base = alt.Chart(lines).encode(across, beside, color=looks["color"], tooltip=tooltip)
    layers = [
        base.mark_line().encode(up, strokeDash=looks["strokeDash"]),
        base.mark_point(filled=True, size=45).encode(up, shape=looks["shape"]),
    ]
    if with_limits:
        low = alt.Y(f"{column}_low:Q", title=name)
        layers.append(base.mark_rule(opacity=0.5, clip=True).encode(low, alt.Y2(f"{column}_high:Q")))
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)
