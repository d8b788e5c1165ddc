"""Twin-Merging: shared part plus low-rank exclusive parts (Lu et al. 2024, arXiv 2406.15479), without its router.

    θ* = θ_base + α · Σ (θᵢ − θ_base)                                   shared: task arithmetic
    θ  = θ* + w · Σ SVDᵣ(θᵢ − θ*)                                       exclusive, truncated to rank r

``scale`` is α, ``weight`` w. The rank is ``keep_rank`` of a matrix's smaller side, rounded down (the authors' density,
1 − mask_rate), or ``rank`` for all matrices. As in the authors' code (commit f481c60), every matrix is truncated,
embeddings included, and a tensor of one dimension keeps its exclusive part whole. With one slow model the exclusive
part is (1 − α) of the task vector; all of it, with w = 1, is the slow model again.

Defaults: the authors' 0.3 for generation and 0.1 (mask_rate 0.9).

DEVIATES: a trained router weighs the exclusive parts for each input; a merged checkpoint has one weight. The L2S paper
says that it leaves the router out and gives no weights.

ASSUME(twin_weight): w = 1, what a router that is sure of a single slow model would give.

No code of the L2S paper for it was released: ``fidelity: released`` has the arithmetic of ``exact``, with the base's
config and, where the base's embeddings are tied, without the slow models' output layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from l2s.errors import UserError
from l2s.merging.engine.contract import Chunk, Cost, Tally, matrix_shape
from l2s.merging.engine.scaling import Scale, Scaled

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_SHARE = 0.1


class Twin(Scaled):
    """Task arithmetic plus the truncated rest of each task vector."""

    works_on: ClassVar[Literal["elements", "matrices"]] = "matrices"

    scale: Scale = Field(0.3, description="α: factor on the task vectors in the shared part, or factors by pattern")
    weight: float = Field(1.0, ge=0, le=2, description="w: factor on the exclusive parts")
    keep_rank: float | None = Field(
        None, gt=0, le=1, description="share of a matrix's singular values that its exclusive part keeps"
    )
    rank: int | None = Field(None, ge=1, description="how many singular values it keeps, in place of keep_rank")

    @model_validator(mode="before")
    @classmethod
    def _one_rank(cls, values: Any) -> Any:
        given = [key for key in ("keep_rank", "rank") if values.get(key) is not None]
        if len(given) == 2:
            raise ValueError("give keep_rank or rank, not both")
        return values if given else {**values, "keep_rank": DEFAULT_SHARE}

    def check_tensors(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Refuse a rank that a matrix cannot have.

        Raises:
            UserError: Names the tensor and its largest rank.
        """
        super().check_tensors(shapes)
        for name, shape in shapes.items():
            if self.rank is not None and len(shape) > 1 and self.rank > min(matrix_shape(shape)):
                raise UserError(
                    f"rank: {self.rank} is more than tensor '{name}' of shape {shape} can have, "
                    f"{min(matrix_shape(shape))}; give a smaller rank, or a share as keep_rank"
                )

    def rank_of(self, shape: tuple[int, ...]) -> int:
        """Return the rank that the exclusive part of a tensor of this shape keeps."""
        if self.rank is not None:
            return self.rank
        # Rounding first: 0.29 * 100 is a hair under 29 in binary, and means 29.
        return int(round(self.keep_rank * min(matrix_shape(shape)), 6))

    def cost(self, shape: tuple[int, ...], models: int) -> Cost:
        """Return the cost of a decomposition for each model."""
        from l2s.merging.engine.spectra import cost

        if len(shape) == 1:
            return Cost(0, 0)
        return cost(matrix_shape(shape), functions=1).times(models)

    def merge(self, chunk: Chunk, tally: Tally | None) -> Tensor:
        """Return the shared part plus the weighted, truncated exclusive parts, float32 [n]."""
        from l2s.merging.engine.spectra import truncate

        vectors, scale = self.task_vectors(chunk), self.scale_of(chunk.name)
        for piece in chunk.pieces():
            shift = vectors[0][piece].clone()
            for vector in vectors[1:]:
                shift.add_(vector[piece])
            chunk.base[piece].add_(shift.mul_(scale))
            for vector in vectors:
                vector[piece].sub_(shift)
        for vector in vectors:
            if len(chunk.shape) > 1:
                truncate(chunk.as_matrix(vector), self.rank_of(chunk.shape))
            chunk.base.add_(vector.mul_(self.weight))
        return chunk.base
