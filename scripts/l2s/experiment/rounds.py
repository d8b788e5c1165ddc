"""Rounds of a search: each is a study of its own, on its own part of the questions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from l2s.experiment.studies.table import TableStudy
from l2s.experiment.study import MadeLine
from l2s.layout import asked_in

if TYPE_CHECKING:
    from l2s.experiment.experiment import Experiment
    from l2s.experiment.registry import Registry
    from l2s.layout import Layout


class RoundStudy(TableStudy):
    """A table of a round's candidates beside the pair's models; no entry of config/studies is one.

    A candidate's responses in a round have a path of their own, since what it is asked later depends on them. The
    response store has them for all rounds.
    """

    part: str = Field(description="the round's name among the studies, which its questions have in their name")

    @property
    def graders(self) -> tuple[str, ...]:
        """The grader that the search goes by."""
        return (self.grader,)

    def _lines(self, where: str, registry: Registry) -> Iterator[MadeLine]:
        """Yield the lines; a recipe that is asked for twice, as a finalist and to compare with, has one."""
        seen: set[str] = set()
        for made in super()._lines(where, registry):
            if made.line.checkpoint not in seen:
                yield made
            seen.add(made.line.checkpoint)

    def outputs(self, name: str, experiment: Experiment, layout: Layout) -> list[str]:
        """Return nothing: what a round is for is the search."""
        return []

    def questions(self, layout: Layout) -> list[str]:
        """Return the tables of the round's questions only."""
        return [layout.questions(asked_in(benchmark, self.part)) for benchmark in self.benchmarks]
