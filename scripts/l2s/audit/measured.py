"""What the studies have measured, in the units of the published numbers."""

import json
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from l2s.analysis.charts import dotted
from l2s.analysis.intervals import Interval, mean_of_intervals, wilson
from l2s.analysis.table import graders_of
from l2s.audit.spec import Spec, TableFiles
from l2s.contracts.comparisons import COMPARISONS, REFERENCE
from l2s.contracts.noise import NOISE
from l2s.contracts.parquet import read_table
from l2s.contracts.responses import Reading
from l2s.contracts.table import MEAN, TABLE
from l2s.layout import is_fetched

READINGS = list(Reading._fields)
"""Columns that say how responses were read; null in all: as they were decoded."""


class StudyTable:
    """A study's table.

    Attributes:
        lines: All its lines, ``settings`` being the recipe's hyper-parameters.
        grader: The study's own grader.
        unlike: Why none of its numbers can be compared with published ones; None if they can.

    Args:
        files: Where it lies.
    """

    def __init__(self, files: TableFiles) -> None:
        summary = read_table(Path(files.table), TABLE)
        self._comparisons = Path(files.comparisons)
        self.unlike = files.unlike
        self.grader = graders_of(summary)[0]
        self.lines = summary.to_pandas()
        self.lines["settings"] = self.lines["hyper_parameters"].map(json.loads)

    @cached_property
    def changes(self) -> pd.DataFrame:
        """The intervals of length changes against the reference, by (pair, checkpoint, benchmark)."""
        comparisons = read_table(self._comparisons, COMPARISONS).to_pandas()
        of_reference = (comparisons["against_is"] == REFERENCE) & (comparisons["grader"] == self.grader)
        return comparisons[of_reference].set_index(["pair", "checkpoint", "benchmark"])

    @cached_property
    def shown(self) -> pd.DataFrame:
        """The lines that the study shows: by its own grader, of responses as they were decoded."""
        own = self.lines["grader"] == self.grader
        return self.lines[own & self.lines[READINGS].isna().all(axis=1)]

    def of(self, pair: str, method: str, setting: str = "") -> pd.DataFrame:
        """Return the shown lines of a row: those of a pair and method, with hyper-parameters as ``setting`` says."""
        lines = self.shown
        lines = lines[(lines["pair"] == pair) & (lines["method"] == method)]
        return lines[lines["settings"].map(lambda settings: fits(settings, setting)).astype(bool)]


def fits(settings: dict, setting: str) -> bool:
    """Say whether hyper-parameters are as a setting says: ``<name>=<value>``, or several values between bars.

    A name may reach into a nested recipe: ``of.method=ties``.
    """
    name, _, values = setting.partition("=")
    return not setting or any(_same(dotted(settings).get(name), value) for value in values.split("|"))


def _same(value: object, text: str) -> bool:
    try:
        return bool(np.isclose(float(value), float(text)))
    except (TypeError, ValueError):
        return str(value) == text


def measured(study: StudyTable, lines: pd.DataFrame, benchmark: str, level: int | None, metric: str) -> Interval | None:
    """Return what a checkpoint's lines say of a metric, in the unit of the published numbers; None if nothing.

    Args:
        study: Their study.
        lines: The lines of one checkpoint, grader and reading.
        benchmark: The benchmark, or mean.
        level: Only the questions of this level.
        metric: As config/published/README.md has them.
    """
    lines = lines[lines["level"].isna() if level is None else lines["level"] == level]
    singles = lines[lines["benchmark"] != MEAN]
    found = lines[lines["benchmark"] == benchmark]
    if found.empty:
        return None
    compute = METRICS.get(metric)
    return compute(study, found.iloc[0], singles if benchmark == MEAN else found) if compute else None


def pooled(lines: pd.DataFrame, metric: str) -> Interval:
    """Return a share of the responses to all benchmarks together, in percent."""
    lines = lines[lines["level"].isna() & (lines["benchmark"] != MEAN)]
    return scaled(100, *wilson(float((lines[metric] * lines["questions"]).sum()), int(lines["questions"].sum())))


def scaled(by: float, value: float, low: float | None = None, high: float | None = None) -> Interval:
    """Return an interval in another unit; limits that are not known are the value itself."""
    low, high = (value if pd.isna(limit) else limit for limit in (low, high))
    return Interval(by * float(value), by * float(low), by * float(high))


def _accuracy(study: StudyTable, line: pd.Series, parts: pd.DataFrame) -> Interval:
    return scaled(100, line["accuracy"], line["accuracy_low"], line["accuracy_high"])


def _mean_tokens(study: StudyTable, line: pd.Series, parts: pd.DataFrame) -> Interval:
    return scaled(1, line["mean_tokens"], line["mean_tokens_low"], line["mean_tokens_high"])


def _length_change(study: StudyTable, line: pd.Series, parts: pd.DataFrame) -> Interval | None:
    if pd.isna(line["length_change"]):
        return None
    key = (line["pair"], line["checkpoint"], line["benchmark"])
    limits = (None, None)
    if pd.isna(line["level"]) and key in study.changes.index:
        row = study.changes.loc[key]
        limits = (row["length_change_low"], row["length_change_high"])
    return scaled(100, line["length_change"], *limits)


def _share(metric: str) -> Callable[[StudyTable, pd.Series, pd.DataFrame], Interval]:
    def share(study: StudyTable, line: pd.Series, parts: pd.DataFrame) -> Interval:
        shares = [wilson(row[metric] * row["questions"], row["questions"]) for row in parts.to_dict("records")]
        return scaled(100, *mean_of_intervals(shares))

    return share


def _reflective_responses(study: StudyTable, line: pd.Series, parts: pd.DataFrame) -> Interval:
    return scaled(line["responses"] / 100, *_share("reflective")(study, line, parts))


def _keywords(study: StudyTable, line: pd.Series, parts: pd.DataFrame) -> Interval:
    return scaled(1, line["reflection_keywords"])


METRICS = {
    "accuracy": _accuracy,
    "mean_tokens": _mean_tokens,
    "length_change": _length_change,
    "truncated": _share("truncated"),
    "reflective": _share("reflective"),
    "reflective_responses": _reflective_responses,
    "reflection_keywords": _keywords,
}
"""By metric of the published numbers, what gives it: from the study, the line, and the lines that it is the mean of."""


class Measured:
    """Everything that was measured and that exists.

    Args:
        spec: Which files. One that does not exist is not run.
    """

    def __init__(self, spec: Spec) -> None:
        self.studies = {name: StudyTable(files) for name, files in spec.tables.items() if Path(files.table).is_file()}
        self.noise = {
            name: read_table(Path(path), NOISE).to_pandas() for name, path in spec.noise.items() if Path(path).is_file()
        }

    def noise_of(
        self, checkpoint: str, benchmark: str, metric: str, ours: float, besides: Iterable[str]
    ) -> float | None:
        """Return how much decoding again changed a number: that of the checkpoint, else the most in its pair.

        Args:
            checkpoint: The checkpoint.
            benchmark: The benchmark.
            metric: The metric; of others than accuracy and mean length nothing is known.
            ours: What we measured, of which changes of length are a share.
            besides: Studies that do not count: they change what should matter.
        """
        frames = [frame for name, frame in self.noise.items() if name not in set(besides)]
        if metric not in ("accuracy", "mean_tokens") or not frames:
            return None
        rows = pd.concat(frames)
        rows = rows[rows["benchmark"] == benchmark]
        own = rows[rows["checkpoint"] == checkpoint]
        pair = checkpoint.split("/", 1)[0] + "/"
        near = rows[rows["checkpoint"].str.startswith(pair) & (not is_fetched(checkpoint))]
        found = own if len(own) else near
        if found.empty:
            return None
        if metric == "accuracy":
            return float(100 * found["accuracy_difference"].abs().max())
        return float(ours * found["length_difference"].abs().max())
