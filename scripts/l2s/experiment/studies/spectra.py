"""``kind: spectra``: the singular values of the task vectors of pairs, and their figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import Field

from l2s.errors import UserError
from l2s.experiment.study import MadeLine, Study
from l2s.layout import FIGURE_FILES

if TYPE_CHECKING:
    from l2s.experiment.experiment import Experiment
    from l2s.experiment.registry import Registry
    from l2s.layout import Layout


class TaskVector(NamedTuple):
    """A model and the base that its task vector is taken from, both entries of ``config/models``."""

    base: str
    model: str


class SpectraStudy(Study):
    """The task vectors of each pair's slow models."""

    kind: Literal["spectra"] = Field(description="spectra: singular values of task vectors")
    pairs: tuple[str, ...] = Field(min_length=1, description="entries of config/pairs")

    def build(self, where: str, registry: Registry) -> list[MadeLine]:
        """Check that each pair has a base; the study has no lines."""
        for name in self.pairs:
            if registry.pair(name, where).base_model is None:
                raise UserError(f"{where}: pair '{name}' has no base that task vectors are taken from; give it one")
        return []

    def task_vectors(self, registry: Registry) -> list[TaskVector]:
        """Return the task vectors of all pairs, in order."""
        pairs = [registry.pair(name, "studies") for name in self.pairs]
        return [TaskVector(pair.base_model, slow) for pair in pairs for slow in pair.slow]

    def models_read(self, registry: Registry) -> list[str]:
        """Return the models of the task vectors."""
        return [model for vector in self.task_vectors(registry) for model in vector]

    def outputs(self, name: str, experiment: Experiment, layout: Layout) -> list[str]:
        """Return a figure of each task vector, and what their pages load."""
        vectors = self.task_vectors(experiment.registry)
        figures = [layout.spectra_figure(*vector, suffix) for vector in vectors for suffix in FIGURE_FILES]
        return [*figures, layout.vega]
