"""``kind: noise``: what changes if responses are decoded again with settings that should not matter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from l2s.experiment.measured import MeasuredStudy
from l2s.experiment.study import Line

if TYPE_CHECKING:
    from l2s.experiment.experiment import Experiment
    from l2s.layout import Layout


class NoiseStudy(MeasuredStudy):
    """The checkpoints of its lines, each decoded several times."""

    kind: Literal["noise"] = Field(description="noise: what decoding again changes")
    again: tuple[str, ...] = Field(min_length=1, description="entries of config/decoding to compare with the first")

    @property
    def decodings(self) -> tuple[str, ...]:
        """The decode settings that every checkpoint is asked with, the first ones first."""
        return (self.decoding, *self.again)

    def compared(self, lines: list[Line]) -> list[tuple[str, str]]:
        """Return the responses of each line's checkpoint with each of the decode settings, the lines in order."""
        checkpoints = dict.fromkeys(line.checkpoint for line in lines)
        return [(checkpoint, decoding) for checkpoint in checkpoints for decoding in self.decodings]

    def outputs(self, name: str, experiment: Experiment, layout: Layout) -> list[str]:
        """Return the table of what changed, and its page."""
        return [layout.noise(name, suffix) for suffix in ("parquet", "md", "html")]
