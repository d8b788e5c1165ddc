"""Where the paper is silent or contradicts itself: what we chose, what it reaches, and which study measures it.

``config/assumptions.yaml`` lists them. In the entry or docstring where one is made it is marked with its name;
CONTRIBUTING.md says how.
"""

import csv
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pydantic import Field

from l2s.config import StrictModel, find_entry, read_entry
from l2s.errors import UserError
from l2s.experiment.experiment import Experiment

PUBLISHED = "published"


class Reached(StrictModel):
    """Published numbers, by columns of their files; a column that is not named may say anything."""

    table: tuple[str, ...] = Field(
        min_length=1, description="of the paper: tables 1 to 6, 2b for figure 2(b), or readme"
    )
    pair: tuple[str, ...] | None = Field(None, description="entries of config/pairs")
    method: tuple[str, ...] | None = Field(None, description="methods, or quick and slow")
    benchmark: tuple[str, ...] | None = Field(None, description="entries of config/benchmarks, or mean")
    metric: tuple[str, ...] | None = Field(None, description="what is printed, e.g. accuracy")


class Assumption(StrictModel):
    """A gap in the paper, or a contradiction, and how it is filled."""

    silent: str = Field(description="what the paper does not say, or says in two ways, in one sentence")
    choice: str = Field(description="what the paper's studies do")
    alternatives: tuple[str, ...] = Field(min_length=1, description="what they might do as well")
    published: str = Field("paper", description="folder of config/published whose numbers depend on it")
    reaches: Reached = Field(description="the numbers that depend on it")
    study: str | None = Field(description="entry of config/studies that shows what it changes; null: none does")


class Assumptions(StrictModel):
    """Every assumption, by the name that its marks have."""

    assumptions: dict[str, Assumption] = Field(description="by name")


def read_assumptions(config: Path) -> dict[str, Assumption]:
    """Read and check ``assumptions.yaml``.

    Args:
        config: The folder ``config/``.

    Raises:
        UserError: It is malformed, names a study that does not exist, or says of one that it reaches no number.
    """
    path = config / "assumptions.yaml"
    assumptions = read_entry(path, Assumptions).assumptions
    for name, assumption in assumptions.items():
        where = f"{path}: key 'assumptions.{name}"
        folder = config / PUBLISHED / assumption.published
        numbers = _numbers(folder)
        if assumption.study is not None:
            find_entry(config / "studies", assumption.study, f"{where}.study'")
        for column, values in assumption.reaches.model_dump(exclude_none=True).items():
            if wrong := sorted(set(values) - {row[column] for row in numbers}):
                raise UserError(f"{where}.reaches.{column}': no row of {folder} has {', '.join(wrong)}; correct it")
        if not reached(assumption, numbers):
            raise UserError(f"{where}.reaches': no row of {folder} fits all of its columns; correct them")
    return assumptions


def assumptions_of(experiment: Experiment) -> Iterator[tuple[str, Assumption, int]]:
    """Yield the name of each assumption that reaches a line of the experiment, the assumption, and how many numbers it
    reaches there."""
    folder = experiment.registry.folder
    lines = {(line.pair, line.method) for lines in experiment.lines.values() for line in lines}
    for name, assumption in read_assumptions(folder).items():
        numbers = _numbers(folder / PUBLISHED / assumption.published)
        compared = [row for row in numbers if (row["pair"], row["method"]) in lines]
        if count := len(reached(assumption, compared)):
            yield name, assumption, count


def reached(assumption: Assumption, numbers: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the numbers that an assumption reaches."""
    asked = assumption.reaches.model_dump(exclude_none=True).items()
    return [row for row in numbers if all(row[column] in values for column, values in asked)]


@cache
def _numbers(folder: Path) -> list[dict[str, str]]:
    """Return the rows of the files of a folder of ``config/published`` that are printed numbers."""
    rows = []
    for file in [folder / "cells.csv", *sorted(folder.glob("figure_*.csv"))]:
        with file.open(encoding="utf-8", newline="") as stream:
            rows.extend(csv.DictReader(stream))
    return rows
