"""Average merging: the mean of the models' weights (Wortsman et al. 2022, "Model soups", arXiv 2203.05482).

    θ = (1/n) · Σ θᵢ

Every model that is to be averaged is one of ``models``; there is no base. For a pair that is the quick model and the
slow ones.

Sum and division are float32, rounded once. The paper's released code takes ``torch.mean`` of bfloat16 weights, which
does the same, so that ``fidelity: released`` gives the same weights wherever the models are stored in bfloat16.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from l2s.merging.engine.contract import Chunk, Method, Tally

if TYPE_CHECKING:
    from torch import Tensor


class Average(Method):
    """Mean of the models."""

    needs_base: ClassVar[bool] = False
    released_in_bfloat16: ClassVar[bool] = True

    def merge(self, chunk: Chunk, tally: Tally | None) -> Tensor:
        """Return the mean of the chunk's models, float32 [n]."""
        first, *others = chunk.models
        total = first.float()
        for model in others:
            total.add_(model)
        # A tensor, not a number: CUDA divides by a number by multiplying with its rounded reciprocal.
        return total.div_(total.new_tensor(len(chunk.models)))
