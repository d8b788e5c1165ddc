"""What a merge did, layer by layer: how far the slow model had moved, and what of that was kept."""

import altair as alt
import numpy as np
import pandas as pd
import pyarrow as pa

from l2s.analysis.charts import SERIES, finish
from l2s.contracts.merge_statistics import SHIFT_BOUND

WIDTH, HEIGHT = 520, 150
SIZE, SHARE = "Size, relative to the base", "Share of elements"
LINES = {
    "task_vector": (SIZE, "of the task vector"),
    "merged": (SIZE, "of what the merge added"),
    "changed": (SHARE, "changed by the merge"),
    "over": (SHARE, f"moved over {SHIFT_BOUND} by the task vector"),
}


def chart(statistics: pa.Table, title: str) -> alt.VConcatChart:
    """Return the figure from a table of statistics (schema MERGE_STATISTICS), the last model's task vector."""
    layers = _by_layer(statistics.to_pandas())
    long = layers.melt("layer", list(LINES), "line", "value")
    long["panel"] = [LINES[line][0] for line in long["line"]]
    long["line"] = [LINES[line][1] for line in long["line"]]
    panels = [_panel(long[long["panel"] == panel], panel) for panel in (SIZE, SHARE)]
    apart = dict.fromkeys(("color", "shape", "strokeDash"), "independent")
    return finish(alt.vconcat(*panels).resolve_scale(**apart), title)


def _panel(values: pd.DataFrame, panel: str) -> alt.LayerChart:
    names = [name for where, name in LINES.values() if where == panel]
    legend = alt.Legend(labelLimit=0)
    base = alt.Chart(values).encode(
        alt.X("layer:O", title="Decoder layer", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
        alt.Y("value:Q", title=panel, axis=alt.Axis(format="%")),
        color=alt.Color("line:N", title=None, scale=alt.Scale(domain=names, range=SERIES[:2]), legend=legend),
        tooltip=["line:N", "layer:O", alt.Tooltip("value:Q", format=".3%")],
    )
    # The second line is dashed over the first: where both are equal, both are seen.
    dashes = alt.StrokeDash("line:N", title=None, scale=alt.Scale(domain=names, range=[[1, 0], [6, 4]]), legend=legend)
    shapes = alt.Shape("line:N", title=None, scale=alt.Scale(domain=names, range=["circle", "cross"]), legend=legend)
    dots = base.mark_point(filled=True, size=45).encode(shape=shapes)
    return alt.layer(base.mark_line().encode(strokeDash=dashes), dots).properties(width=WIDTH, height=HEIGHT)


def _by_layer(frame: pd.DataFrame) -> pd.DataFrame:
    """Sum the tensors of each decoder layer: norms in quadrature, shares by elements."""
    inside = frame[(frame["model"] == frame["model"].max()) & frame["layer"].notna()]
    squares = inside.assign(
        base=inside["base_norm"] ** 2,
        task_vector=inside["task_vector_norm"] ** 2,
        merged=inside["merged_norm"] ** 2,
        changed=inside["changed"] * inside["elements"],
        over=inside["shifts_over_bound"] * inside["elements"],
    )
    squares["layer"] = squares["layer"].astype(int)
    sums = squares.groupby("layer")[["elements", "base", *LINES]].sum().reset_index()
    for norm in ("task_vector", "merged"):
        sums[norm] = np.sqrt(sums[norm] / sums["base"])
    for share in ("changed", "over"):
        sums[share] = sums[share] / sums["elements"]
    return sums
