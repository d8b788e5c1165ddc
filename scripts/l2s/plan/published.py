"""How long responses are by what somebody has published of the same pairs, methods and benchmarks."""

import csv
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean

from l2s.experiment.study import Line

MODELS = ("quick", "slow")


class PublishedLengths:
    """The mean lengths in a folder of ``config/published``.

    Args:
        folder: The folder; None: nothing is published.
    """

    def __init__(self, folder: Path | None) -> None:
        self.lengths: dict[tuple[str, str, str], list[float]] = {}
        # Read here without pandas, which would take longer than the rest of a dry run.
        with (folder / "cells.csv").open(encoding="utf-8") if folder else Path("/dev/null").open() as file:
            for row in csv.DictReader(file):
                if row["metric"] == "mean_tokens":
                    key = row["pair"], row["method"], row["benchmark"]
                    self.lengths.setdefault(key, []).append(float(row["value"]))

    def of(self, lines: Iterable[Line], benchmark: str) -> float | None:
        """Return the mean length of a checkpoint's responses; None if its pairs are not in the folder.

        Args:
            lines: The lines that the checkpoint has in tables. A merge by a method that is not published for its pair
                is taken for the mean of those that are.
            benchmark: The benchmark.
        """
        named = {(line.pair, line.method) for line in lines}
        found = [value for pair, method in named for value in self.lengths.get((pair, method, benchmark), [])]
        if not found:
            pairs = {pair for pair, method in named if method not in MODELS}
            found = [
                value
                for (pair, method, of), values in self.lengths.items()
                if pair in pairs and of == benchmark and method not in MODELS
                for value in values
            ]
        return fmean(found) if found else None
