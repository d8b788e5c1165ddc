"""Shares by level in figure 2(b) beside the same shares over all levels in table 6."""

import pandas as pd

from l2s.audit.findings import Finding, key_of
from l2s.audit.published import Published

ROUNDING = 0.0501  # of a percentage with one digit behind its point


def find(published: Published) -> list[Finding]:
    """Return a finding for each method whose levels, taken together, do not give the share of table 6."""
    cells = published.cells
    bars = cells[(cells["table"] == "2b") & (cells["metric"] == "reflective")]
    together = cells[(cells["table"] == "6") & (cells["metric"] == "reflective")]
    found, agreeing = [], []
    for (pair, method, benchmark), levels in bars.groupby(["pair", "method", "benchmark"], sort=False):
        same = (together["pair"] == pair) & (together["method"] == method) & (together["benchmark"] == benchmark)
        for cell in together[same].itertuples():
            share = pooled(published, levels)
            if abs(share - cell.value) > ROUNDING:
                found.append((cell, levels, share))
            else:
                agreeing.append(cell.label)
    return [_finding(published, *one, agreeing) for one in found]


def pooled(published: Published, levels: pd.DataFrame) -> float:
    """Return the share over all levels, in percent: the mean of the levels' shares, weighted by their responses."""
    sizes = [published.responses_of(row.table, row.benchmark, row.level) for row in levels.itertuples()]
    return sum(levels["value"] * sizes) / sum(sizes)


def _finding(published: Published, cell: object, levels: pd.DataFrame, share: float, agreeing: list[str]) -> Finding:
    sizes = [published.responses_of(row.table, row.benchmark, row.level) for row in levels.itertuples()]
    terms = " + ".join(f"{size} × {row.printed}" for size, row in zip(sizes, levels.itertuples(), strict=True))
    return Finding(
        f"{cell.label}: on {cell.benchmark}, figure 2(b) gives {share:.1f} % reflective responses and table 6 "
        f"{cell.printed} %",
        f"({terms}) / {sum(sizes)} = {share:.1f}; table 6 prints {cell.printed}. Both agree for {', '.join(agreeing)}.",
        (key_of(cell), *map(key_of, levels.itertuples())),
    )
