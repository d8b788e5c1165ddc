"""Drift: whether a new run stays within tolerances of a stored run of the same questions."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pydantic import Field

from l2s.config import StrictModel


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


def broken(tolerances: Tolerances, table: pa.Table, comparisons: pa.Table) -> Iterator[str]:
    """Yield a sentence for each tolerance that a line breaks on a benchmark.

    Args:
        tolerances: The tolerances.
        table: The study's table, schema TABLE, with a line of the stored run for each benchmark.
        comparisons: Its comparisons with the stored run, schema COMPARISONS.
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
    for (checkpoint, benchmark), found in compared.items():
        line = of[checkpoint, benchmark]
        for sentence in _of_line(tolerances, of[found["against"], benchmark], line, found):
            yield f"{line.recipe}, {benchmark}: {sentence}"


def _of_line(tolerances: Tolerances, before: Any, line: Any, found: dict[str, Any]) -> Iterator[str]:
    lost = -100 * found["accuracy_difference"]
    if tolerances.accuracy is not None and lost > tolerances.accuracy:
        low, high = -100 * found["accuracy_difference_high"], -100 * found["accuracy_difference_low"]
        yield (
            f"accuracy is {lost:.1f} points lower [{low:.1f}, {high:.1f}] (p = {found['p_value']:.3g}); allowed are "
            f"{tolerances.accuracy:g}"
        )
    change = 100 * (found["length_change"] or 0.0)
    if tolerances.length is not None and abs(change) > tolerances.length:
        yield f"mean length changes by {change:+.1f} %; allowed are {tolerances.length:g} %"
    reflection = 100 * (line.reflective - before.reflective)
    if tolerances.reflection is not None and abs(reflection) > tolerances.reflection:
        yield f"reflective responses change by {reflection:+.1f} points; allowed are {tolerances.reflection:g}"
    truncated = 100 * (line.truncated - before.truncated)
    if tolerances.truncation is not None and truncated > tolerances.truncation:
        yield f"truncated responses rise by {truncated:.1f} points; allowed are {tolerances.truncation:g}"
    kept = found["key_points_kept"]
    if tolerances.key_points is not None and kept is not None and kept < tolerances.key_points:
        yield f"{kept:.2f} of the key points are kept; at least {tolerances.key_points:g} must be"
