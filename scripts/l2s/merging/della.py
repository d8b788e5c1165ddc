"""DELLA: drop small elements more often than large ones, rescale, then elect signs and average (Deep et al. 2024,
arXiv 2406.11617).

    δᵢ = cᵢ · mᵢ ⊙ (θᵢ − θ_base),   mᵢ ~ Bernoulli(k − ε … k + ε, rising with the rank of |θᵢ − θ_base| in its row)
    θ  = θ_base + λ · disjoint mean of the δᵢ, as in TIES

``keep_fraction`` is k, ``spread`` ε, ``scale`` λ: the element of rank r among the n magnitudes of its row, r = 0 the
smallest, is kept with the probability k − ε + 2ε · r / (n − 1). A tensor of one dimension is a single row. mergekit
(0.1.5) calls k density and ε epsilon; its ``weight`` cancels out with one model, so λ is the factor.

``rescale``, where the sources disagree: ``norm`` is mergekit's, one factor cᵢ for each tensor, after which it has the
sum of magnitudes that it had before. ``probability`` is the DELLA paper's, each element divided by its probability of
being kept. (The paper's ε is the whole range of probabilities, twice ours.)

DEVIATES: mergekit draws masks from torch's global generator; here each element's fate depends on its address alone
(``engine/random_masks.py``), with probabilities rounded to multiples of 2⁻¹⁶. Elements of equal magnitude rank in their
order, here and there. An element alone in its row is kept with the probability k, where mergekit fails.

Not in the paper: ``fidelity: released`` has the arithmetic of ``exact``, with the base's config and, where the base's
embeddings are tied, without the slow models' output layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from l2s.merging.engine.contract import PIECE_ELEMENTS, Chunk, Cost, Tally, matrix_shape
from l2s.merging.engine.random_masks import DRAW_VALUES, draws
from l2s.merging.engine.scaling import Scale, Scaled
from l2s.merging.ties import disjoint_mean

if TYPE_CHECKING:
    from torch import Tensor

# Sorting a row, in the time of the engine's arithmetic operations, measured with rows of 3,584 elements.
SORT_OPERATIONS = 3500
# Of a block of rows: a copy, its order, ranks and probabilities.
BLOCK_BYTES = 40


class Della(Scaled):
    """Drop by rank and rescale, then elect sign, disjoint mean."""

    works_on: ClassVar[Literal["elements", "matrices"]] = "matrices"

    keep_fraction: float = Field(0.7, gt=0, lt=1, description="k: share of elements to keep, on average (its density)")
    spread: float = Field(
        0.15, ge=0, lt=0.5, description="ε: how much less often the smallest and more often the largest are kept"
    )
    rescale: Literal["norm", "probability"] = Field(
        "norm", description="what makes up for dropped elements: the tensor's norm, or each one's probability"
    )
    scale: Scale = Field(1.0, description="λ: factor on the merged task vector, or factors by tensor-name pattern")
    seed: int = Field(0, ge=0, description="seed of the masks")

    @model_validator(mode="after")
    def _probabilities(self) -> Self:
        if not 0 < self.keep_fraction - self.spread <= self.keep_fraction + self.spread < 1:
            raise ValueError(
                f"keep_fraction {self.keep_fraction:g} ± spread {self.spread:g} must lie between 0 and 1; lower spread"
            )
        return self

    def cost(self, shape: tuple[int, ...], models: int) -> Cost:
        """Return the cost of sorting the rows of each model's task vector."""
        rows, columns = matrix_shape(shape)
        block = min(rows * columns, max(columns, PIECE_ELEMENTS))
        return Cost(BLOCK_BYTES * block, SORT_OPERATIONS * rows * columns * models)

    def merge(self, chunk: Chunk, tally: Tally | None) -> Tensor:
        """Return base + scale · disjoint mean of what is kept, float32 [n]."""
        vectors, scale = self.task_vectors(chunk), self.scale_of(chunk.name)
        for ordinal, vector in enumerate(vectors):
            before = sum_of_magnitudes(chunk, vector)
            self._drop(chunk, ordinal, vector)
            after = sum_of_magnitudes(chunk, vector)
            if self.rescale == "norm" and after > 0:
                vector.mul_(before / after)
        for piece in chunk.pieces():
            mean = disjoint_mean([vector[piece] for vector in vectors], [0.0] * len(vectors))
            chunk.base[piece].add_(mean.mul_(scale))
        return chunk.base

    def _drop(self, chunk: Chunk, ordinal: int, vector: Tensor) -> None:
        """Drop elements of a task vector, in place, a block of rows at a time."""
        import torch

        matrix = chunk.as_matrix(vector)
        columns = matrix.shape[1]
        step = max(1, PIECE_ELEMENTS // columns)
        for first in range(0, len(matrix), step):
            block = matrix[first : first + step]
            numbers = draws(self.seed, ordinal, chunk.name, first * columns, block.numel()).astype("i4")
            kept = self.kept_values(block)
            drawn = torch.from_numpy(numbers).to(kept.device).view_as(kept)
            block.mul_(drawn < kept)
            if self.rescale == "probability":
                block.div_(kept.double().div_(DRAW_VALUES))

    def kept_values(self, block: Tensor) -> Tensor:
        """Return of how many of the 65,536 values of a draw an element is kept, int32 [rows, columns]."""
        import torch

        columns = block.shape[1]
        if columns == 1:
            return torch.full_like(block, round(self.keep_fraction * DRAW_VALUES), dtype=torch.int32)
        lowest, width = self.keep_fraction - self.spread, 2 * self.spread
        ranks = torch.arange(columns, dtype=torch.float64, device=block.device)
        by_rank = ranks.div_(columns - 1).mul_(width).add_(lowest).mul_(DRAW_VALUES).round_().int()
        order = block.abs().sort(dim=1, stable=True).indices
        return torch.empty_like(block, dtype=torch.int32).scatter_(1, order, by_rank.expand_as(order))


def sum_of_magnitudes(chunk: Chunk, vector: Tensor) -> float:
    """Return the sum of the magnitudes of a whole tensor's vector, the same for any number of threads."""
    from l2s.merging.engine.values import torch_threads

    with torch_threads(1):
        return sum(float(vector[piece].abs().double().sum()) for piece in chunk.pieces())
