"""Percentages that no number of responses gives."""

from math import ceil, floor

from l2s.audit.findings import Finding, key_of
from l2s.audit.published import Published

METRICS = ("accuracy", "reflective", "truncated")
SLACK = 1e-4  # of 0.05: a share that is exactly between two may be rounded either way


def find(published: Published) -> list[Finding]:
    """Return a finding for each row with percentages that are shares of no whole number of responses."""
    shares = published.cells[published.cells["metric"].isin(METRICS)]
    of = [published.responses_of(row.table, row.benchmark, row.level) for row in shares.itertuples()]
    checked = [(row, total) for row, total in zip(shares.itertuples(), of, strict=True) if total]
    wrong = [(row, total) for row, total in checked if not is_share(row.value, total, row.rounding)]
    rows = {}
    for row, total in wrong:
        rows.setdefault((row.table, row.pair, row.method, row.metric), []).append((row, total))
    return [_finding(found, len(checked) - len(wrong), len(checked)) for found in rows.values()]


def is_share(percent: float, total: int, rounding: float) -> bool:
    """Say whether some whole number of ``total`` responses is ``percent``, rounded."""
    low, high = ((percent + side * (rounding + SLACK)) * total / 100 for side in (-1, 1))
    return ceil(low) <= floor(high)


def _finding(found: list[tuple[object, int]], possible: int, checked: int) -> Finding:
    first, _ = found[0]
    name = f"table {first.table}" if first.level is None else f"figure {first.table}"
    values = " and ".join(f"{row.printed} %" for row, _ in found) if len(found) < 3 else f"{len(found)} values"
    keys = tuple(key_of(row) for row, _ in found)
    return Finding(
        f"{first.label}, {name}: {values} of {first.benchmark} ({first.metric}) can be no share of its responses",
        " ".join(_arithmetic(row, total) for row, total in found)
        + f" Of the {checked:,} percentages of single benchmarks and levels, {possible:,} are possible.",
        keys,
        keys,
    )


def _arithmetic(row: object, total: int) -> str:
    below = floor(row.value * total / 100)
    at = "" if row.level is None else f" of level {row.level}"
    nearest = " and ".join(f"{number} are {100 * number / total:.2f} %" for number in (below, below + 1))
    return f"Of {total:,} responses{at}, {nearest}; {row.printed} % is printed."
