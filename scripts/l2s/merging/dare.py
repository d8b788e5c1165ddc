"""DARE: drop and rescale, then average (Yu et al. 2024, "Language models are Super Mario", arXiv 2311.03099, eq. 1-2).

    δᵢ = mᵢ ⊙ (θᵢ − θ_base) / (1 − p),   mᵢ ~ Bernoulli(1 − p),
    θ  = (θ_base + Σ (θ_base + δᵢ)) / (n + 1)

``drop_rate`` is the paper's p. The "DARE" row of the paper is the released code's default: the models are masked, then
averaged together with the quick model; for one slow model that is θ_base + δ/2. The variants that mask and then apply
task arithmetic or TIES are ``dare_ta`` and ``dare_ties``.

DEVIATES: the released code draws masks from torch's global generator; here each element's fate depends on its address
alone (``engine/random_masks.py``), so that the same tensors come out whatever the chunk size, thread count or device.
``fidelity: released`` therefore follows that code's dtypes, but cannot give its weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from l2s.merging.engine.contract import Chunk, Method, Tally
from l2s.merging.engine.random_masks import DRAW_VALUES, dropped_values, keep_mask
from l2s.merging.task_arithmetic import add_scaled_sum

if TYPE_CHECKING:
    from torch import Tensor


class DropAndRescale(Method):
    """What the DARE variants share: task vectors with elements dropped and the others scaled up."""

    released_in_bfloat16: ClassVar[bool] = True

    drop_rate: float = Field(
        0.3, ge=0, le=0.999, description="p: probability that an element of a task vector is dropped"
    )
    seed: int = Field(0, ge=0, description="seed of the masks")

    def task_vectors(self, chunk: Chunk) -> list[Tensor]:
        """Return the task vectors after drop and rescale, float32 [n] each, in place.

        The factor is 1/(1 − p) for the p that the 16-bit draws realise, so that the expectation is kept exactly.
        """
        import torch

        factor = 1.0 / (1.0 - dropped_values(self.drop_rate) / DRAW_VALUES)
        vectors = chunk.task_vectors()
        for ordinal, vector in enumerate(vectors):
            mask = keep_mask(self.seed, ordinal, chunk.name, chunk.offset, len(vector), self.drop_rate)
            vector.mul_(torch.from_numpy(mask).to(vector.device)).mul_(factor)
        return vectors


class Dare(DropAndRescale):
    """Drop and rescale the task vectors, then average base and models."""

    def merge(self, chunk: Chunk, tally: Tally | None) -> Tensor:
        """Return the mean of the base and of base + rescaled task vector of each model, float32 [n]."""
        vectors = self.task_vectors(chunk)
        return add_scaled_sum(chunk.base, vectors, 1 / (len(vectors) + 1))
