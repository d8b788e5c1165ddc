"""Rows of different models with the very same counts of reflection."""

from itertools import combinations

import pandas as pd

from l2s.audit.findings import Finding, key_of
from l2s.audit.published import Published

METRICS = ("reflective_responses", "reflection_keywords")
FEWEST = 4  # so many numbers that are not zero do not agree by chance


def find(published: Published) -> list[Finding]:
    """Return a finding for each two rows of different models whose counts of reflection are all the same."""
    cells = published.cells
    counts = cells[cells["metric"].isin(METRICS)]
    rows = {name: part for name, part in counts.groupby(["table", "pair", "method"], sort=False)}
    values = {
        name: dict(zip(part["benchmark"] + part["metric"], part["value"], strict=True)) for name, part in rows.items()
    }
    return [
        _finding(rows[one], rows[other])
        for one, other in combinations(rows, 2)
        if one[1:] != other[1:] and values[one] == values[other] and sum(map(bool, values[one].values())) >= FEWEST
    ]


def _finding(one: pd.DataFrame, other: pd.DataFrame) -> Finding:
    first, second = one.iloc[0], other.iloc[0]
    numbers = ", ".join(f"{row.benchmark} {row.printed}" for row in one.itertuples())
    names = [f"{row.label} at {row.pair.upper()} (table {row.table})" for row in (first, second)]
    return Finding(
        f"{names[0]} and {names[1]} have the same reflection entries",
        f"All {len(one)} numbers of reflective responses and keywords agree: {numbers}. One row's entries are likely a "
        "copy of the other's; which one cannot be told from the numbers.",
        tuple(map(key_of, pd.concat([one, other]).itertuples())),
    )
