"""What figures share: what they may ask of a study, how each method looks, where labels go, and writing the files.

It imports altair only inside functions: the workflow asks figures what they need before anything is decoded, and altair
takes longer to load than that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import pyarrow as pa

from l2s.contracts.table import MEAN
from l2s.files import atomic_path

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

PNG_PIXELS_PER_INCH = 144
PICTURES: dict[str, dict[str, Any]] = {"svg": {}, "png": {"ppi": PNG_PIXELS_PER_INCH}}
CHARACTER = 6.2  # pixels of an average one in labels of size 11, rather too many than too few
NEAR = 4  # pixels within which two marks look like one
INK, QUIET, FAINT = "#1b1f24", "#57606a", "#b6bdc5"


class Look(NamedTuple):
    """How a method's marks look."""

    colour: str
    shape: str


LOOKS = {
    "quick": Look("#767676", "square"),
    "slow": Look("#000000", "square"),
    "dpo": Look("#8c510a", "diamond"),
    "average": Look("#7a7a00", "triangle-up"),
    "task_arithmetic": Look("#0072b2", "circle"),
    "ties": Look("#d55e00", "circle"),
    "dare": Look("#008560", "triangle-down"),
    "dare_ta": Look("#332288", "triangle-down"),
    "dare_ties": Look("#b8405e", "triangle-right"),
    "lore": Look("#5e9400", "diamond"),
    "twin": Look("#117733", "square"),
    "aim": Look("#b0578d", "triangle-up"),
    "sens": Look("#1f86a6", "cross"),
}
"""By method, in the paper's order: the same in every figure. All are dark enough for white paper, and two that a
colour-blind reader could take for each other differ in shape."""
OTHERS = [Look("#882255", "cross"), Look("#44607a", "triangle-left"), Look("#a3600b", "circle")]
SERIES = ["#d55e00", "#0072b2", "#7a7a00", "#b0578d", "#008560", "#000000"]
"""Colours of what is not a method, where a line's dash helps to tell them apart."""
DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [1, 3]]
"""Of the lines of one method, in order."""


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


def look(method: str) -> Look:
    """Return how a method's marks look; of one that the paper does not have, by its name alone."""
    return LOOKS.get(method) or OTHERS[sum(method.encode()) % len(OTHERS)]


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Return lines of a table in the paper's order of methods, those of one method as they were."""
    order = {method: place for place, method in enumerate(LOOKS)}
    return frame.sort_values("method", key=lambda methods: methods.map(order).fillna(len(order)), kind="stable")


def channels(frame: pd.DataFrame, legend: bool = True) -> dict[str, Any]:
    """Return colour, shape and dash by the column ``recipe``: each method has its look, its recipes their dashes."""
    import altair as alt

    names = in_order(frame)[["recipe", "method"]].drop_duplicates("recipe")
    looks = [look(method) for method in names["method"]]
    dashes = [DASHES[place % len(DASHES)] for place in names.groupby("method").cumcount()]
    domain = names["recipe"].tolist()
    shown = alt.Legend(labelLimit=0, symbolLimit=0, symbolOpacity=1, columns=1) if legend else None

    def scale(values: Iterable[Any]) -> dict[str, Any]:
        return {"title": "Model", "scale": alt.Scale(domain=domain, range=list(values)), "legend": shown}

    return {
        "color": alt.Color("recipe:N", **scale(one.colour for one in looks)),
        "shape": alt.Shape("recipe:N", **scale(one.shape for one in looks)),
        "strokeDash": alt.StrokeDash("recipe:N", **scale(dashes)),
    }


def rings(across: Sequence[float], up: Sequence[float]) -> list[int]:
    """Return, for each mark, how many earlier ones lie where it lies, in pixels: so many rings it is drawn outside."""
    places = list(zip(across, up, strict=True))
    return [
        sum(abs(x - a) < NEAR and abs(y - b) < NEAR for a, b in places[:number]) for number, (x, y) in enumerate(places)
    ]


def spread(wanted: Sequence[float], sizes: Sequence[float], end: float) -> list[float]:
    """Move labels along a line so that none covers another, between 0 and ``end`` if they fit.

    Args:
        wanted: Where the middle of each would like to be, in ascending order.
        sizes: How much room each takes.
        end: End of the line.
    """
    placed: list[float] = []
    for number, place in enumerate(wanted):
        before = placed[-1] + (sizes[number - 1] + sizes[number]) / 2 if placed else 0.0
        placed.append(max(place, before))
    last = end
    for number in reversed(range(len(placed))):
        placed[number] = min(placed[number], last)
        last = placed[number] - (sizes[number - 1] + sizes[number]) / 2
    return placed


def wrapped(name: str, width: int) -> list[str]:
    """Break a model's name into lines of ``width`` characters, where it can be between its hyper-parameters."""
    lines: list[str] = []
    for part in name.replace(", ", ",\n").split("\n"):
        if lines and len(lines[-1]) + 1 + len(part) <= width:
            lines[-1] += f" {part}"
        else:
            lines += wrap(part, width)
    return lines


def heading(text: str | Sequence[str]) -> alt.TitleParams:
    """Return the title of a panel, which is smaller than the figure's."""
    import altair as alt

    return alt.TitleParams(text, fontSize=12, fontWeight="normal", color=QUIET, anchor="start", offset=6)


def finish(chart: alt.TopLevelMixin, title: str, subtitle: Sequence[str] = ()) -> Any:
    """Return a figure with its title above it, to the left, and text large enough to be read."""
    import altair as alt

    above = alt.TitleParams(
        title, subtitle=list(subtitle), anchor="start", offset=12, fontSize=15, subtitleFontSize=11, subtitleColor=QUIET
    )
    return (
        chart.properties(title=above, background="white")
        .configure_point(opacity=1)
        .configure_axis(labelFontSize=11, titleFontSize=12, titleFontWeight="normal", gridColor="#e4e7ea")
        .configure_legend(labelFontSize=11, titleFontSize=12, titleFontWeight="normal", symbolStrokeWidth=2)
        .configure_view(stroke=None)
    )


def save_pictures(chart: alt.TopLevelMixin, out: Path) -> None:
    """Write a chart as SVG and PNG to ``out`` with these suffixes added."""
    for suffix, options in PICTURES.items():
        with atomic_path(out.with_name(f"{out.name}.{suffix}")) as partial:
            chart.save(str(partial), format=suffix, **options)
