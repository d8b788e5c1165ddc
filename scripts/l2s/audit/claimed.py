"""What our tables say where the text makes a claim."""

from typing import Any

import pandas as pd

from l2s.analysis.intervals import Interval, difference_of_intervals
from l2s.audit.measured import StudyTable, measured, pooled, scaled
from l2s.contracts.table import MEAN

ALL = "all"  # as a benchmark: over all responses of all benchmarks


def claimed(study: StudyTable, claim: Any) -> tuple[Interval | None, str | None]:
    """Return a claim's number as a study has measured it, and the recipes that it is about.

    Args:
        study: The study.
        claim: A row of ``Published.claims``.

    Returns:
        The number, None if the study does not measure it; the recipes. Lengths against another checkpoint than the
        reference, and gaps, have no interval.
    """
    lines = study.of(claim.pair, claim.method, _text(claim.setting))
    parts = [part for _, part in lines.groupby("checkpoint", sort=False)]
    against = study.of(claim.pair, _text(claim.against), _text(claim.against_setting))
    recipes = ", ".join(lines["recipe"].unique()) or None
    if not parts or (against["checkpoint"].nunique() != 1 and _text(claim.against)):
        return None, recipes
    if claim.metric == "accuracy_gap":
        gaps = [abs(_difference(study, part, against, claim.benchmark).value) for part in parts]
        return scaled(1, sum(gaps) / len(gaps)), recipes
    return (_of_one(study, claim, parts[0], against) if len(parts) == 1 else None), recipes


def _of_one(study: StudyTable, claim: Any, lines: pd.DataFrame, against: pd.DataFrame) -> Interval | None:
    """Return the number of a claim on one checkpoint."""
    if claim.metric == "accuracy_difference":
        return _difference(study, lines, against, claim.benchmark)
    if claim.metric == "length_change" and claim.against != "slow":
        return _length_change(lines, against)
    if claim.benchmark == ALL:
        return pooled(lines, claim.metric)
    return measured(study, lines, claim.benchmark, None, claim.metric)


def _difference(study: StudyTable, one: pd.DataFrame, other: pd.DataFrame, benchmark: str) -> Interval:
    first, second = (measured(study, lines, benchmark, None, "accuracy") for lines in (one, other))
    return difference_of_intervals(first, second)


def _length_change(one: pd.DataFrame, other: pd.DataFrame) -> Interval:
    """Return the mean of the benchmarks' changes of length, in percent."""
    first, second = (
        lines[lines["level"].isna() & (lines["benchmark"] != MEAN)].set_index("benchmark")["mean_tokens"]
        for lines in (one, other)
    )
    return scaled(100, (first / second - 1).mean())


def _text(value: object) -> str:
    return "" if pd.isna(value) else str(value)
