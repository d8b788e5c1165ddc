"""``kind: drift``: a new run of questions that a stored run has answered, and how far it may be from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from l2s.analysis.drift import Tolerances
from l2s.experiment.studies.table import TableStudy
from l2s.experiment.study import Line, MadeLine
from l2s.layout import IMPORTED, IMPORTS, imported

if TYPE_CHECKING:
    from l2s.experiment.experiment import Experiment
    from l2s.experiment.registry import Registry
    from l2s.layout import Layout


class DriftStudy(TableStudy):
    """A table whose lines are compared with a stored run, and a check that fails when they are too far from it."""

    kind: Literal["drift"] = Field(description="drift: a table of lines that are compared with a stored run")
    reference: str = Field(
        description="the stored run: an entry of config/imports, e.g. of format l2s with another results folder's file"
    )
    tolerances: Tolerances = Field(description="how far a line may be from the stored run, on each benchmark")

    def _lines(self, where: str, registry: Registry) -> Iterator[MadeLine]:
        stored = imported(self.reference)
        if self.reference not in self.imports:
            label = registry.imported(self.reference, where).label or self.reference
            yield MadeLine(Line(IMPORTS, IMPORTED, label, {}, stored, stored), None)
        for line, made in super()._lines(where, registry):
            yield MadeLine(line._replace(reference=stored), made)

    def outputs(self, name: str, experiment: Experiment, layout: Layout) -> list[str]:
        """Return what a table is for, and the check."""
        return [*super().outputs(name, experiment, layout), layout.drift(name)]
