"""Average merging: the mean of the models' weights (Wortsman et al. 2022, "Model soups", arXiv 2203.05482).

    θ = (1/n) · Σ θᵢ

Every model that is to be averaged is one of ``models``; there is no base. For a pair that is the quick model and the
slow ones.

DEVIATES: the paper's released code averages in bfloat16; here the sum and the division are float32, rounded once.
``fidelity: released`` rounds the sum to bfloat16 before the division.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from l2s.merging.engine.contract import Chunk, Method, Tally

if TYPE_CHECKING:
    from torch import Tensor


class Average(Method):
    """Mean of the models."""

    needs_base: ClassVar[bool] = False

    def merge(self, chunk: Chunk, tally: Tally | None) -> Tensor:
        """Return the mean of the chunk's models, float32 [n]."""
        first, *others = chunk.models
        for model in others:
            first.add_(model)
        # A tensor, not a number: CUDA divides by a number by multiplying with its rounded reciprocal.
        return first.div_(first.new_tensor(len(chunk.models)))
