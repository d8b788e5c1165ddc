"""Drift: whether a new run stays within tolerances of a stored run of the same questions."""

from collections.abc import Callable, Iterator
from math import isnan
from typing import Any

import pyarrow as pa
from pydantic import Field, model_validator

from l2s.config import StrictModel
from l2s.errors import UserError


class Tolerances(StrictModel):
    """How far a line may be from the stored run; what is not named is not checked."""

    accuracy: float | None = Field(None, ge=0, le=100, description="points of accuracy that may be lost")
    length: float | None = Field(None, ge=0, description="percent by which the mean length may change, either way")
    reflection: float | None = Field(
        None, ge=0, le=100, description="points by which the share of reflective responses may change, either way"
    )
    truncation: float | None = Field(
        None, ge=0, le=100, description="points by which the share of truncated responses may rise"
    )
    key_points: float | None = Field(
        None, ge=0, le=1, description="least share of the stored responses' key points to be kept where both are right"
    )

    @model_validator(mode="after")
    def _checks_something(self) -> "Tolerances":
        if all(value is None for _, value in self):
            raise ValueError(f"no tolerance is given; name at least one of {', '.join(type(self).model_fields)}")
        return self


def broken(tolerances: Tolerances, table: pa.Table, comparisons: pa.Table) -> Iterator[str]:
    """Yield a sentence for each tolerance that a line breaks on a benchmark, or that cannot be checked there.

    Args:
        tolerances: The tolerances.
        table: The study's table, schema TABLE, with a line of the stored run for each benchmark.
        comparisons: Its comparisons with the stored run, schema COMPARISONS.

    Raises:
        UserError: No line is compared with the stored run.
    """
    from l2s.analysis.table import as_decoded, overall
    from l2s.contracts.comparisons import REFERENCE

    lines = as_decoded(overall(table))
    of = {(line.checkpoint, line.benchmark): line for line in lines[lines["read_at"].isna()].itertuples()}
    own = comparisons["grader"][0].as_py() if len(comparisons) else None
    compared = {
        (row["checkpoint"], row["benchmark"]): row
        for row in comparisons.to_pylist()
        if row["grader"] == own and row["against_is"] == REFERENCE
    }
    if not compared:
        raise UserError("no line is compared with the stored run; give the study 'imports', or 'pairs' and 'recipes'")
    for (checkpoint, benchmark), found in compared.items():
        line = of[checkpoint, benchmark]
        for sentence in _of_line(tolerances, of[found["against"], benchmark], line, found):
            yield f"{line.recipe}, {benchmark}: {sentence}"


def _of_line(tolerances: Tolerances, before: Any, line: Any, found: dict[str, Any]) -> Iterator[str]:
    for name, check in CHECKS.items():
        allowed = getattr(tolerances, name)
        if allowed is not None and (sentence := check(allowed, before, line, found)):
            yield sentence


def _hundredths(share: float) -> float:
    """Return a share as percent or points, without its last bits: 11 tokens for 10 are 10 % more, not a hair over."""
    return round(100 * share, 9)


def _accuracy(allowed: float, before: Any, line: Any, found: dict[str, Any]) -> str | None:
    lost = -_hundredths(found["accuracy_difference"])
    low, high = (-_hundredths(found[f"accuracy_difference_{side}"]) for side in ("high", "low"))
    if lost <= allowed:
        return None
    return (
        f"accuracy is {lost:.1f} points lower [{low:.1f}, {high:.1f}] (p = {found['p_value']:.3g}); allowed are "
        f"{allowed:g}"
    )


def _length(allowed: float, before: Any, line: Any, found: dict[str, Any]) -> str | None:
    if found["length_change"] is None:
        return "the change of mean length is not known: the stored responses have no tokens"
    change = _hundredths(found["length_change"])
    return f"mean length changes by {change:+.1f} %; allowed are {allowed:g} %" if abs(change) > allowed else None


def _reflection(allowed: float, before: Any, line: Any, found: dict[str, Any]) -> str | None:
    change = _hundredths(line.reflective - before.reflective)
    if abs(change) <= allowed:
        return None
    return f"reflective responses change by {change:+.1f} points; allowed are {allowed:g}"


def _truncation(allowed: float, before: Any, line: Any, found: dict[str, Any]) -> str | None:
    rise = _hundredths(line.truncated - before.truncated)
    if isnan(rise):
        return "whether more responses are truncated is not known: one of the two runs does not say how they ended"
    return f"truncated responses rise by {rise:.1f} points; allowed are {allowed:g}" if rise > allowed else None


def _key_points(allowed: float, before: Any, line: Any, found: dict[str, Any]) -> str | None:
    kept = found["key_points_kept"]
    if kept is None:
        return "the share of key points kept is not known: both are right nowhere, or there are none"
    return f"{kept:.2f} of the key points are kept; at least {allowed:g} must be" if kept < allowed else None


# By the tolerance's name. What cannot be checked is not passed: a CI that stays green should mean something.
CHECKS: dict[str, Callable[[float, Any, Any, dict[str, Any]], str | None]] = {
    "accuracy": _accuracy,
    "length": _length,
    "reflection": _reflection,
    "truncation": _truncation,
    "key_points": _key_points,
}
