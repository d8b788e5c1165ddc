"""What comparisons add to a table that people read: marks, verdicts, and sentences on what could have been shown."""

from collections.abc import Mapping
from statistics import median
from typing import Any

import pandas as pd
import pyarrow as pa

from l2s.analysis.paired import POWER
from l2s.contracts.comparisons import BEST, REFERENCE
from l2s.contracts.table import MEAN

BEST_MARK, ALIKE_MARK = "▲", "≈"
LEGEND = (
    f"{BEST_MARK}: the most accurate of its pair (of equally accurate ones the shortest); {ALIKE_MARK}: cannot be told "
    "from it (McNemar's exact test, over several benchmarks a sign-flip test; 5 %, corrected by Holm for the table)."
)

Compared = Mapping[tuple[str, str, str], Any]
"""By (pair, checkpoint, benchmark), a line of COMPARISONS."""


class Marks:
    """The comparisons of a table's own grader, by line.

    Args:
        comparisons: A table with the schema COMPARISONS; the first lines are of the study's own grader.
    """

    def __init__(self, comparisons: pa.Table) -> None:
        grader = comparisons["grader"][0].as_py() if len(comparisons) else ""
        self.references: Compared = _chosen(comparisons, grader, REFERENCE)
        self.best: Compared = _chosen(comparisons, grader, BEST)
        self.pairs_with_best = {pair for pair, _, _ in self.best}

    def mark(self, line: Any) -> str:
        """Return the mark of a line of a table: the best's, that of those like it, or none.

        A response that is read otherwise than it was decoded is not compared.
        """
        if _cut(line) or line.pair not in self.pairs_with_best:
            return ""
        compared = self.best.get((line.pair, line.checkpoint, line.benchmark))
        if compared is None:
            return BEST_MARK
        return "" if compared.distinguishable else ALIKE_MARK

    def against_reference(self, line: Any) -> Any | None:
        """Return the comparison of a line with its reference; None for the reference itself and for other readings."""
        found = self.references.get((line.pair, line.checkpoint, line.benchmark))
        return None if _cut(line) else found

    def sentences(self) -> list[str]:
        """Say in words what the tests are, and which differences the questions could have shown."""
        if not self.best:
            return []
        said = [LEGEND]
        means = [line.detectable for line in self.best.values() if line.benchmark == MEAN]
        if means:
            said.append(
                f"Over all benchmarks, differences of less than {100 * median(means):.1f} points from the best are "
                "inside the noise of so few questions (median of the lines)."
            )
        single: dict[str, list[Any]] = {}
        for line in self.best.values():
            if line.benchmark != MEAN:
                single.setdefault(line.benchmark, []).append(line)
        limits = [
            f"{benchmark} has {lines[0].questions:,} questions: differences below about "
            f"{100 * median(line.detectable for line in lines):.1f} points cannot be shown"
            for benchmark, lines in single.items()
        ]
        said.append(f"{'; '.join(limits)} (with {100 * POWER:.0f} % power, median of the lines).")
        return said


def _cut(line: Any) -> bool:
    """Say whether a line is of responses that were cut after they had been decoded."""
    return not (pd.isna(line.read_at) and pd.isna(line.budget))


def _chosen(comparisons: pa.Table, grader: str, against_is: str) -> Compared:
    frame = comparisons.to_pandas()
    chosen = frame[(frame["grader"] == grader) & (frame["against_is"] == against_is)]
    return {(line.pair, line.checkpoint, line.benchmark): line for line in chosen.itertuples()}
