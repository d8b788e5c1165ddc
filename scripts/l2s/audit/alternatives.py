"""Where a number differs: what the studies measured besides, under another assumption."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from l2s.audit.measured import READINGS, Measured, StudyTable, measured
from l2s.audit.spec import members
from l2s.experiment.assumptions import Assumption, reached, read_assumptions

# What another grader, or another reading of the same responses, is called in config/assumptions.yaml.
OTHER_GRADER, CONTEXT_LENGTH = "grader", "context_length"


class Assumed(NamedTuple):
    """An assumption, and the studies that show it beside an alternative."""

    assumption: Assumption
    studies: tuple[str, ...]

    def reaches(self, cell: Any) -> bool:
        """Say whether a published number depends on it."""
        row = {name: getattr(cell, name) for name in ("table", "pair", "method", "benchmark", "metric")}
        return bool(reached(self.assumption, [row]))


class Alternative(NamedTuple):
    """What was measured besides."""

    what: str
    assumption: str | None
    value: float


def read_assumed(config: Path) -> dict[str, Assumed]:
    """Read the assumptions, by name, from the folder ``config/``."""
    return {
        name: Assumed(assumption, tuple(members(assumption.study)) if assumption.study else ())
        for name, assumption in read_assumptions(config).items()
    }


def alternatives(
    given: Measured,
    name: str,
    study: StudyTable,
    cell: Any,
    checkpoint: str,
    ours: float,
    assumed: Mapping[str, Assumed],
) -> Iterator[Alternative]:
    """Yield what else was measured of a number.

    That is, in the study's own table, the same checkpoint by other graders and in other readings; and the lines of this
    row in the studies of the assumptions that reach the number.

    Args:
        given: What was measured.
        name: The study that measures the number.
        study: Its table.
        cell: The number, a row of ``Published.cells``.
        checkpoint: The checkpoint that stands for it.
        ours: What was measured of it.
        assumed: The assumptions that reach it.
    """
    found = [
        *_own_table(study, cell, checkpoint),
        *(one for key, assumption in assumed.items() for one in _elsewhere(given, name, key, assumption, cell)),
        *(one for key, other in assumed.items() for one in _decoded_again(given, key, other, cell, checkpoint, ours)),
    ]
    seen = {ours}
    for one in found:
        if one.value not in seen:
            seen.add(one.value)
            yield one


def _own_table(study: StudyTable, cell: Any, checkpoint: str) -> Iterator[Alternative]:
    lines = study.lines[study.lines["checkpoint"] == checkpoint]
    lines = lines[lines["pair"] == cell.pair]
    decoded = lines[READINGS].isna().all(axis=1)
    if cell.metric == "accuracy":
        for grader, part in lines[decoded & (lines["grader"] != study.grader)].groupby("grader", sort=False):
            yield from _value(study, part, cell, f"graded by {grader}", OTHER_GRADER)
    own = lines[(lines["grader"] == study.grader) & lines["read_at"].notna()]
    for length, part in own.groupby("read_at", sort=False):
        yield from _value(study, part, cell, f"context length {length:,.0f}", CONTEXT_LENGTH)


def _elsewhere(given: Measured, name: str, key: str, assumed: Assumed, cell: Any) -> Iterator[Alternative]:
    for other in assumed.studies:
        if other == name or other not in given.studies:
            continue
        study = given.studies[other]
        for _, part in study.of(cell.pair, cell.method).groupby("checkpoint", sort=False):
            yield from _value(study, part, cell, f"{other}: {part['recipe'].iloc[0]}", key)


def _decoded_again(
    given: Measured, key: str, assumed: Assumed, cell: Any, checkpoint: str, ours: float
) -> Iterator[Alternative]:
    for other in assumed.studies:
        if other not in given.noise or cell.metric not in ("accuracy", "mean_tokens"):
            continue
        rows = given.noise[other]
        rows = rows[(rows["checkpoint"] == checkpoint) & (rows["benchmark"] == cell.benchmark)]
        for row in rows.itertuples():
            accuracy, length = ours + 100 * row.accuracy_difference, ours * (1 + row.length_difference)
            value = accuracy if cell.metric == "accuracy" else length
            yield Alternative(f"{other}: decoded with {row.again}", key, float(value))


def _value(study: StudyTable, lines: Any, cell: Any, what: str, assumption: str) -> Iterator[Alternative]:
    value = measured(study, lines, cell.benchmark, cell.level, cell.metric)
    if value is not None:
        yield Alternative(what, assumption, value.value)
