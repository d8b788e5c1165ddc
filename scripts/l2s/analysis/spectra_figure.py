"""How low-rank a task vector is: its energy against rank, for every matrix, and the effective rank of each layer.

The dashed curves are those of random noise of the same shape (Marchenko and Pastur 1967), which has no structure at
all: a task vector is of low rank as far as it lies above them. The paper's second takeaway, that SVD-based merging
serves where task vectors are of low rank, rests on spectra that it does not show.

Energy is the sum of squared singular values, that is the squared Frobenius norm. The effective rank is the exponential
of the entropy of the singular values scaled to sum 1 (Roy and Vetterli 2007), as a share of the full rank.
"""

from typing import NamedTuple

import altair as alt
import numpy as np
import pandas as pd
import pyarrow as pa

from l2s.analysis.charts import DASHES, QUIET, SERIES, finish

PANELS_A_ROW = 3
WIDTH, HEIGHT = 210, 130
POINTS = 41  # of each curve
GRID = 20_000  # points at which the density of noise is summed up
NOISE = "noise"
SUBTITLE = "Dashed: random noise of the same shape. Black: matrices outside the decoder layers."


class Curve(NamedTuple):
    """What is drawn of a matrix: its share of energy at each share of the rank, and its effective rank as a share."""

    energy: np.ndarray
    effective: float


def chart(spectra: pa.Table, title: str) -> alt.VConcatChart:
    """Return the figure from a table of spectra, schema SPECTRA."""
    frame = spectra.to_pandas()
    shares = np.linspace(0, 1, POINTS) ** 2  # densest where the curves are steep
    curves, ranks = [], []
    for (tensor, module), matrix in frame.groupby(["tensor", "module"], sort=False):
        rows, columns = (int(matrix[side].iloc[0]) for side in ("rows", "columns"))
        layer = float(matrix["layer"].iloc[0])
        own, noise = curve_of(matrix["singular_value"].to_numpy(), shares), curve_of_noise(rows, columns, shares)
        for line, curve in ((tensor, own), (f"{NOISE} {rows} × {columns}", noise)):
            points = pd.DataFrame({"share": shares, "energy": curve.energy})
            curves.append(points.assign(line=line, module=module, layer=layer))
        tenth = float(np.interp(0.1, shares, own.energy))
        ranks.append((tensor, module, layer, own.effective, noise.effective, tenth))
    points = pd.concat(curves).drop_duplicates(["line", "module", "share"])
    columns = ["tensor", "module", "layer", "effective", "noise", "tenth"]
    panels = alt.vconcat(_energy(points), _effective(pd.DataFrame(ranks, columns=columns)))
    return finish(panels.resolve_scale(color="independent", strokeDash="independent"), title, [SUBTITLE])


def curve_of(values: np.ndarray, shares: np.ndarray) -> Curve:
    """Return the curve of a matrix from its singular values, [n] in descending order; zero for a zero matrix."""
    if not values.any():
        return Curve(np.zeros_like(shares), 0.0)
    squares = np.concatenate([[0], np.cumsum(values**2)])
    energy = np.interp(shares, np.linspace(0, 1, len(squares)), squares / squares[-1])
    weights = values[values > 0] / values.sum()
    return Curve(energy, float(np.exp(-(weights * np.log(weights)).sum()) / len(values)))


def curve_of_noise(rows: int, columns: int, shares: np.ndarray) -> Curve:
    """Return the curve that a large matrix of independent random elements tends to."""
    ratio = min(rows, columns) / max(rows, columns)
    low, high = (1 - ratio**0.5) ** 2, (1 + ratio**0.5) ** 2
    # Midpoints, from the largest down; a square matrix has infinite density at zero.
    squares = high - (high - low) * (np.arange(GRID) + 0.5) / GRID
    density = np.sqrt((high - squares) * (squares - low)) / squares
    density /= density.sum()
    energy = np.cumsum(density * squares) / (density * squares).sum()
    sizes = np.sqrt(squares) / (density * np.sqrt(squares)).sum()
    effective = float(np.exp(-(density * sizes * np.log(sizes)).sum()))
    return Curve(np.interp(shares, np.r_[0, np.cumsum(density)], np.r_[0, energy]), effective)


def _energy(points: pd.DataFrame) -> alt.FacetChart:
    """One panel for each kind of module, one line for each matrix."""
    percent = alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1])
    base = alt.Chart(points).encode(
        alt.X("share:Q", title="Largest singular values kept", axis=percent),
        alt.Y("energy:Q", title="Share of energy", axis=percent, scale=alt.Scale(domain=[0, 1])),
        detail="line:N",
    )
    tooltip = ["line:N", alt.Tooltip("share:Q", format=".0%"), alt.Tooltip("energy:Q", format=".1%")]
    is_noise = f"indexof(datum.line, '{NOISE} ') == 0"
    # Without the scheme's yellow, which white paper swallows.
    shades = alt.Scale(scheme=alt.SchemeParams("viridis", extent=[0, 0.8]))
    depth = alt.Color("layer:Q", title="Decoder layer", scale=shades, legend=alt.Legend(tickMinStep=1, format="d"))
    matrices = base.transform_filter(f"!({is_noise})").encode(tooltip=tooltip)
    inside = matrices.transform_filter("isValid(datum.layer)").mark_line(strokeWidth=1.2).encode(color=depth)
    outside = matrices.transform_filter("!isValid(datum.layer)").mark_line(strokeWidth=1.2, color="black")
    noise = base.transform_filter(is_noise).mark_line(strokeDash=[4, 3], color=QUIET).encode(tooltip=tooltip)
    panels = alt.layer(inside, outside, noise).properties(width=WIDTH, height=HEIGHT)
    order = list(dict.fromkeys(points["module"]))
    return panels.facet(facet=alt.Facet("module:N", title=None, sort=order), columns=PANELS_A_ROW)


def _effective(ranks: pd.DataFrame) -> alt.Chart:
    """The effective rank of each decoder layer's matrices."""
    inside = ranks.dropna(subset=["layer"]).astype({"layer": int})
    picked = alt.selection_point(fields=["module"], bind="legend")
    modules = list(dict.fromkeys(inside["module"]))
    colours = [SERIES[place % len(SERIES)] for place in range(len(modules))]
    dashes = [DASHES[place // len(SERIES) % len(DASHES)] for place in range(len(modules))]
    legend = alt.Legend(labelLimit=0, symbolType="stroke")
    return (
        alt.Chart(inside)
        .mark_line(point=True)
        .encode(
            alt.X("layer:O", title="Decoder layer", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            alt.Y("effective:Q", title="Effective rank, of the full", axis=alt.Axis(format="%")),
            color=alt.Color("module:N", title=None, scale=alt.Scale(domain=modules, range=colours), legend=legend),
            strokeDash=alt.StrokeDash(
                "module:N", title=None, scale=alt.Scale(domain=modules, range=dashes), legend=legend
            ),
            opacity=alt.condition(picked, alt.value(1), alt.value(0.15)),
            tooltip=[
                alt.Tooltip("tensor:N", title="Matrix"),
                alt.Tooltip("effective:Q", title="Effective rank", format=".1%"),
                alt.Tooltip("noise:Q", title="that of noise", format=".1%"),
                alt.Tooltip("tenth:Q", title="Energy in the largest tenth", format=".1%"),
            ],
        )
        .properties(width=PANELS_A_ROW * WIDTH + 80, height=HEIGHT)
        .add_params(picked)
    )
