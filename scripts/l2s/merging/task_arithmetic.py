"""Task arithmetic (Ilharco et al. 2023, "Editing models with task arithmetic", arXiv 2212.04089, eq. 1).

    θ = θ_base + α · Σ (θᵢ − θ_base)

``scale`` is the paper's α.

DEVIATES: the paper's released code computes in bfloat16; here every operation is float32, rounded once at the end.
``fidelity: released`` does as that code does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from l2s.merging.engine.contract import Chunk, Tally
from l2s.merging.engine.scaling import Scale, Scaled

if TYPE_CHECKING:
    from torch import Tensor


class TaskArithmetic(Scaled):
    """Base plus the scaled sum of the task vectors."""

    released_in_bfloat16: ClassVar[bool] = True

    scale: Scale = Field(0.7, description="α: factor on the sum of the task vectors, or factors by tensor-name pattern")

    def merge(self, chunk: Chunk, tally: Tally | None) -> Tensor:
        """Return base + scale · sum of task vectors, float32 [n]."""
        return add_scaled_sum(chunk.base, self.task_vectors(chunk), self.scale_of(chunk.name))


def add_scaled_sum(base: Tensor, task_vectors: list[Tensor], scale: float) -> Tensor:
    """Add ``scale`` times the sum of the task vectors to ``base``, all float32 [n], in place."""
    total, *others = task_vectors
    for vector in others:
        total.add_(vector)
    return base.add_(total.mul_(scale))
