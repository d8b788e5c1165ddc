"""What figures share: what they may ask of a study, the names of hyper-parameters, colours, and writing the files.

It imports altair only inside functions: the workflow asks figures what they need before anything is decoded, and altair
takes longer to load than that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import pyarrow as pa

from l2s.contracts.table import MEAN
from l2s.files import atomic_path

if TYPE_CHECKING:
    import altair as alt

FEW = 10  # as many colours as the scheme for few has
PNG_PIXELS_PER_INCH = 144
# The page carries its libraries: nothing is loaded from elsewhere.
FORMATS: dict[str, dict[str, Any]] = {"html": {"inline": True}, "svg": {}, "png": {"ppi": PNG_PIXELS_PER_INCH}}


class Line(Protocol):
    """What is known of a line of a study's table before anything is decoded."""

    pair: str
    method: str
    hyper_parameters: dict[str, Any]


class Drawn(NamedTuple):
    """What a figure may ask of a study.

    Attributes:
        benchmarks: Its benchmarks, and for each whether its questions have levels.
        lines: The lines of its table.
        budgets: The budgets at which its responses are read, in generated tokens.
    """

    benchmarks: dict[str, bool]
    lines: Sequence[Line]
    budgets: Sequence[int]


class TableLine(NamedTuple):
    """A line as a table has it."""

    pair: str
    method: str
    hyper_parameters: dict[str, Any]


def drawn(table: pa.Table) -> Drawn:
    """Return what figures may ask of a study from its table, schema TABLE."""
    rows = table.select(["pair", "method", "recipe", "hyper_parameters", "benchmark", "level", "budget"]).to_pylist()
    benchmarks = {row["benchmark"]: False for row in rows if row["benchmark"] != MEAN}
    benchmarks.update((row["benchmark"], True) for row in rows if row["level"] is not None)
    lines = dict.fromkeys((row["pair"], row["method"], row["recipe"], row["hyper_parameters"]) for row in rows)
    budgets = sorted({row["budget"] for row in rows if row["budget"] is not None})
    return Drawn(benchmarks, [TableLine(pair, method, json.loads(text)) for pair, method, _, text in lines], budgets)


def dotted(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return hyper-parameters by name, those of nested recipes by dotted names."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat.update(dotted(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value})
    return flat


def colour(column: str, values: Iterable[str], title: str) -> alt.Color:
    """Return the colour by a column's values, in their order: no two of up to 20 alike, none cut in the legend."""
    import altair as alt

    order = list(dict.fromkeys(values))
    scheme = "tableau10" if len(order) <= FEW else "tableau20"
    legend = alt.Legend(labelLimit=0, symbolLimit=0)
    return alt.Color(f"{column}:N", title=title, sort=order, scale=alt.Scale(scheme=scheme), legend=legend)


def save_chart(chart: alt.TopLevelMixin, out: Path) -> None:
    """Write a chart as interactive HTML, SVG and PNG to ``out`` with these suffixes added."""
    for suffix, options in FORMATS.items():
        with atomic_path(out.with_name(f"{out.name}.{suffix}")) as partial:
            chart.save(str(partial), format=suffix, **options)
