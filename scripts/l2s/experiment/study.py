"""What a kind of study is to the experiment.

A kind is a module of ``l2s.experiment.studies`` with one subclass of ``Study``. Its fields are the keys that an entry
of ``config/studies`` with this ``kind`` may have, and its methods say what follows from them. What the kinds share that
compare responses is in ``measured.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from pydantic import Field, field_validator

from l2s.config import StrictModel
from l2s.experiment.schema import MainConfig

if TYPE_CHECKING:
    from l2s.experiment.experiment import Experiment
    from l2s.experiment.recipes import Merge
    from l2s.experiment.registry import Registry
    from l2s.experiment.trainings import TrainedCheckpoint
    from l2s.layout import Layout


class Line(NamedTuple):
    """A line of a study's table: a checkpoint, and the reference that its lengths are compared with."""

    pair: str
    method: str
    recipe: str
    hyper_parameters: dict[str, Any]
    checkpoint: str
    reference: str


class MadeLine(NamedTuple):
    """A line, and what makes its checkpoint; None for a model of the pair."""

    line: Line
    made: Merge | TrainedCheckpoint | None


class Study(StrictModel, ABC):
    """A study of one kind, and what every kind has."""

    kind: str = Field(description="module of scripts/l2s/experiment/studies")
    title: str = Field(description="title of the study's pages")

    @field_validator(
        "pairs", "imports", "models", "benchmarks", "figures", "studies", "read_at", "budgets", check_fields=False
    )
    @classmethod
    def _once_each(cls, values: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        if twice := sorted({value for value in values or () if values.count(value) > 1}):
            raise ValueError(f"named more than once: {', '.join(map(str, twice))}")
        return values

    @property
    def members(self) -> tuple[str, ...]:
        """The studies that belong to this one."""
        return ()

    @property
    def round_names(self) -> tuple[str, ...]:
        """The rounds of a search; no other study has any."""
        return ()

    def configured(self, config: MainConfig) -> Self:
        """Return the study as the top-level configuration changes it."""
        return self.model_copy(update={"title": config.titled(self.title)})

    def build(self, where: str, registry: Registry) -> list[MadeLine]:
        """Check everything that the study refers to, and return the lines of its table.

        Args:
            where: The study's file, for messages.
            registry: All entries.

        Raises:
            UserError: Something does not exist, or does not fit the rest; names the file, the key and the remedy.
        """
        return []

    def models_read(self, registry: Registry) -> Sequence[str]:
        """Return the entries of models that the study reads and that none of its lines is made of."""
        return ()

    @abstractmethod
    def outputs(self, name: str, experiment: Experiment, layout: Layout) -> list[str]:
        """Return the files that the study is for; Snakemake makes them when the study is asked for by its name."""
