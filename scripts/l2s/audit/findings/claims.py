"""Claims of the text that the tables contradict."""

import pandas as pd

from l2s.audit.findings import Finding, key_of
from l2s.audit.published import Published
from l2s.contracts.table import MEAN


def find(published: Published) -> list[Finding]:
    """Return a finding for each claim that does not follow from the tables, where they hold what it is about."""
    checked = [(claim, *said) for claim in published.claims.itertuples() if (said := recomputed(claim, published))]
    wrong = [(claim, value, cells) for claim, value, cells in checked if not _follows(claim, value)]
    return [_finding(*one, len(checked) - len(wrong), len(checked)) for one in wrong]


def recomputed(claim: object, published: Published) -> tuple[float, pd.DataFrame] | None:
    """Return a claim's number as the tables give it, and the rows of ``published.cells`` that it follows from; None
    where they do not hold it."""
    cells = published.cells
    if not pd.isna(claim.setting):
        return None

    def of(method: str, metric: str) -> pd.DataFrame:
        same = (cells["pair"] == claim.pair) & (cells["method"] == method) & (cells["metric"] == metric)
        return cells[same & cells["level"].isna()].drop_duplicates("benchmark")

    if claim.metric == "accuracy_difference":
        both = [of(method, "accuracy") for method in (claim.method, claim.against)]
        rows = [part[part["benchmark"] == claim.benchmark] for part in both]
        return float(rows[0]["value"].item() - rows[1]["value"].item()), pd.concat(rows)
    if claim.metric == "length_change":
        rows = of(claim.method, "length_change")
        return float(rows["value"].item()), rows
    if claim.metric == "reflective" and claim.benchmark == "all":
        rows = of(claim.method, "reflective")
        rows = rows[rows["benchmark"] != MEAN]
        sizes = [published.responses_of(row.table, row.benchmark) for row in rows.itertuples()]
        return float((rows["value"] * sizes).sum() / sum(sizes)), rows
    return None


def _follows(claim: object, value: float) -> bool:
    # What the tables give is rounded itself: a difference of two of its numbers by twice as much as one.
    slack = 0.0501
    return not (value < claim.low - slack or value > claim.high + slack)  # an open end is NaN, which nothing is beyond


def _finding(claim: object, value: float, cells: pd.DataFrame, agreeing: int, checked: int) -> Finding:
    claimed = f"{claim.low:g}" if claim.low == claim.high else f"between {claim.low:g} and {claim.high:g}"
    values = ", ".join(f"{row.benchmark} {row.printed}" for row in cells.itertuples())
    return Finding(
        f"Section {claim.section} says {claimed} {claim.unit}, table {cells['table'].iloc[0]} gives {value:.1f}: "
        f"{claim.statement}",
        f"From {values}, all responses together, follows {value:.2f}. Of the {checked} claims that the tables hold the "
        f"numbers of, {agreeing} follow from them.",
        tuple(map(key_of, cells.itertuples())),
    )
