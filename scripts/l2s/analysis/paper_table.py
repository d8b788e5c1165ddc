"""A study's table in the paper's layout: a row for each model, a column for each benchmark, several numbers a cell."""

from collections.abc import Callable
from typing import Any, Literal

import pandas as pd
import pyarrow as pa

from l2s.analysis.marks import Marks
from l2s.analysis.table import as_decoded, model_names, overall
from l2s.contracts.table import MEAN

Cell = Literal["length", "reflection", "reflective"]
CELLS: dict[Cell, tuple[str, Callable[[Any], str]]] = {
    "length": (
        "accuracy in % (mean length in tokens)",
        lambda row: f"{100 * row.accuracy:.1f} ({row.mean_tokens:.1f})",
    ),
    "reflection": (
        "accuracy in % (mean length in tokens) [reflective responses; keywords in each of them]",
        lambda row: (
            f"{100 * row.accuracy:.1f} ({row.mean_tokens:.1f}) "
            f"[{round(row.reflective * row.responses)}; {row.reflection_keywords:.1f}]"
        ),
    ),
    "reflective": ("share of reflective responses in %", lambda row: f"{100 * row.reflective:.1f}"),
}
AVERAGE, CHANGE, POOLED = "Avg.", "Length", "Pooled"


def wide_frame(summary: pa.Table, cell: Cell, comparisons: pa.Table) -> pd.DataFrame:
    """Return the table as text cells.

    The column ``Avg.`` is the unweighted mean over the benchmarks, ``Length`` the mean of the benchmarks' changes of
    length, as in the paper; with one benchmark, that benchmark's. ``Pooled``, beside shares of reflective responses, is
    the share of all responses together: the paper's text has such a number (99.3 %) without saying which it is.

    Args:
        summary: A table with the schema TABLE.
        cell: What a cell says, see CELLS.
        comparisons: The same study's, schema COMPARISONS: accuracies are marked by them.
    """
    frame, marks = as_decoded(overall(summary)), Marks(comparisons)
    _, write = CELLS[cell]

    def marked(text: str, line: Any) -> str:
        return text if cell == "reflective" else f"{text} {marks.mark(line)}".strip()

    rows = []
    for (pair, model), lines in frame.groupby(["pair", model_names(frame)], sort=False):
        single = lines[lines["benchmark"] != MEAN]
        mean = lines[lines["benchmark"] == MEAN] if len(single) > 1 else single
        shown = {
            "Pair": pair,
            "Model": model,
            **{row.benchmark: marked(write(row), row) for row in single.itertuples()},
        }
        average = mean.iloc[0]
        share = average["reflective"] if cell == "reflective" else average["accuracy"]
        shown[AVERAGE] = marked(f"{100 * share:.1f}", average)
        shown[POOLED] = f"{100 * (single['reflective'] * single['responses']).sum() / single['responses'].sum():.1f}"
        change = average["length_change"]
        shown[CHANGE] = "" if pd.isna(change) else f"{100 * change:+.1f} %".replace("-", "−")
        rows.append(shown)
    wide = pd.DataFrame(rows).fillna("")
    unneeded = {"Pair": wide["Pair"].nunique() == 1, CHANGE: cell == "reflective", POOLED: cell != "reflective"}
    return wide.drop(columns=[name for name, drop in unneeded.items() if drop])


def layout_note(cell: Cell) -> str:
    """Say what a cell holds."""
    what, _ = CELLS[cell]
    last = f"{CHANGE}: mean of the benchmarks' changes of length"
    if cell == "reflective":
        last = f"{POOLED}: share of the responses to all benchmarks together"
    return f"Cells: {what}. {AVERAGE}: unweighted mean over the benchmarks; {last}. "
