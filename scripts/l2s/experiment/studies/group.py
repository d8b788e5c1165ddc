"""``kind: group``: several studies under one name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from l2s.experiment.study import Study

if TYPE_CHECKING:
    from l2s.experiment.experiment import Experiment
    from l2s.layout import Layout


class StudyGroup(Study):
    """Its studies, which may be groups themselves."""

    kind: Literal["group"] = Field(description="group: several studies under one name")
    studies: tuple[str, ...] = Field(min_length=1, description="entries of config/studies")

    @property
    def members(self) -> tuple[str, ...]:
        """The studies of the group."""
        return self.studies

    def outputs(self, name: str, experiment: Experiment, layout: Layout) -> list[str]:
        """Return what the studies of the group are for."""
        return [path for study in self.studies for path in experiment.outputs(study, layout)]
