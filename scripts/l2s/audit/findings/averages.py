"""Averages that the numbers beside them do not give.

The rule of the paper, which all other averages follow: the unweighted mean over the benchmarks; for lengths, of the
benchmarks' changes against the slow model.
"""

from collections.abc import Iterator

import pandas as pd

from l2s.audit.findings import Finding, key_of
from l2s.audit.published import Published
from l2s.contracts.table import MEAN


def find(published: Published) -> list[Finding]:
    """Return a finding for each average that differs from what its row gives by more than rounding."""
    averages = list(recomputed(published))
    wrong = [(cell, value) for cell, value in averages if abs(value - cell.value) > cell.rounding + 1e-4]
    agreeing = f"All other printed averages, {len(averages) - len(wrong)} of {len(averages)}, follow in the same way."
    return [_finding(published, cell, value, agreeing) for cell, value in wrong]


def recomputed(published: Published) -> Iterator[tuple[object, float]]:
    """Yield each printed average, a row of ``published.cells``, with what the row's benchmarks give."""
    cells = published.cells
    for cell in cells[cells["benchmark"] == MEAN].itertuples():
        values = parts(published, cell)
        if len(values):
            yield cell, float(values.mean())


def parts(published: Published, cell: object) -> pd.Series:
    """Return what an average is the mean of, by benchmark; nothing where not all of it is published."""
    if cell.metric != "length_change":
        wide = published.wide(cell.table, cell.metric).drop(columns=MEAN)
    else:
        tokens = published.wide(cell.table, "mean_tokens")
        slow = [row for row in tokens.index if row[:2] == (cell.pair, "slow")]
        wide = 100 * (tokens / tokens.loc[slow[0]] - 1) if slow else tokens.iloc[:0]
    values = wide.reindex([(cell.pair, cell.method, cell.label)]).iloc[0]
    return values if values.notna().all() else values.iloc[:0]


def _finding(published: Published, cell: object, value: float, agreeing: str) -> Finding:
    step = 2 * cell.rounding
    cut = abs(cell.value) < abs(value) < abs(cell.value) + step
    values = parts(published, cell)
    terms = ", ".join(f"{benchmark} {change:+.2f}" for benchmark, change in values.items()).replace("-", "−")
    what = "length change" if cell.metric == "length_change" else cell.metric
    printed = cell.printed.replace("-", "−")
    how = "cut off instead of rounded" if cut else "not what its row gives"
    arithmetic = f"The mean of {terms} is {value:.2f}, and {printed} is printed. ".replace("-", "−") + agreeing
    key = (key_of(cell),)
    return Finding(
        f"Table {cell.table}: the average {what} of {cell.label} at {cell.pair.upper()}, {printed} %, is {how}",
        arithmetic,
        key,
        () if cut else key,
    )
