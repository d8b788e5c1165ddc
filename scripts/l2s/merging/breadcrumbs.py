"""Model Breadcrumbs: drop the smallest and the largest elements of each task vector (Davari and Belilovsky 2023,
arXiv 2312.06795), then task arithmetic.

    θ = θ_base + α · Σ mᵢ ⊙ (θᵢ − θ_base)

mᵢ keeps, in each tensor of n elements, the floor(``keep_fraction`` · n) largest magnitudes after the
floor(``drop_largest`` · n) very largest. mergekit (0.1.5) calls these density and gamma; its weight and lambda are both
factors like ``scale``, α, as it does not normalize here by default. 0.01 is its default, 0.9 what its users take.

DEVIATES: elements equal to the smallest or the largest kept magnitude are all kept; mergekit keeps those that its sort
puts first. Where ``keep_fraction`` and ``drop_largest`` make more than 1, mergekit drops fewer large elements; here
that is an error.

Not in the paper: ``fidelity: released`` has the arithmetic of ``exact``, with the base's config and, where the base's
embeddings are tied, without the slow models' output layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from l2s.merging.engine.contract import Chunk, Scope
from l2s.merging.engine.magnitudes import MagnitudeTally, floor_of
from l2s.merging.engine.scaling import Scale, Scaled
from l2s.merging.task_arithmetic import add_scaled_sum

if TYPE_CHECKING:
    from torch import Tensor


class Breadcrumbs(Scaled):
    """Cut both tails of the magnitudes, then task arithmetic."""

    keep_fraction: float = Field(0.9, gt=0, le=1, description="share of each tensor's elements to keep (its density)")
    drop_largest: float = Field(
        0.01, ge=0, lt=1, description="γ: share of each tensor's elements to drop for being the largest"
    )
    scale: Scale = Field(1.0, description="α: factor on the sum of what is kept, or factors by tensor-name pattern")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.keep_fraction + self.drop_largest > 1:
            raise ValueError(
                f"keep_fraction {self.keep_fraction:g} and drop_largest {self.drop_largest:g} make more than 1; "
                "lower one of them"
            )
        return self

    def tally(self, models: int, released: bool) -> BandTally:
        """Return the tally that finds the band of magnitudes to keep."""
        return BandTally(self.keep_fraction, self.drop_largest, models)

    def count(self, chunk: Chunk, tally: BandTally) -> None:
        """Count the magnitudes of the task vectors."""
        tally.add(self.task_vectors(chunk))

    def merge(self, chunk: Chunk, tally: BandTally) -> Tensor:
        """Return base + scale · sum of what lies in the band, float32 [n]."""
        vectors = self.task_vectors(chunk)
        bands = zip(vectors, tally.smallest.thresholds, tally.largest.thresholds, strict=True)
        for vector, smallest, largest in bands:
            magnitudes = vector.abs()
            vector.mul_(magnitudes.ge(smallest)).mul_(magnitudes.le(largest))
        return add_scaled_sum(chunk.base, vectors, self.scale_of(chunk.name))


class BandTally:
    """Finds for each task vector the smallest and the largest magnitude to keep in a tensor.

    Args:
        keep_fraction: Share of elements to keep.
        drop_largest: Share of elements above them.
        models: Number of task vectors.
    """

    scope: Scope = "tensor"
    passes = 2

    def __init__(self, keep_fraction: float, drop_largest: float, models: int) -> None:
        self.smallest = RankTally(keep_fraction, drop_largest, models)
        self.largest = RankTally(0, drop_largest, models)

    def add(self, task_vectors: list[Tensor]) -> None:
        """Count task vectors, float32 [n] each, which are overwritten."""
        self.smallest.add([vector.clone() for vector in task_vectors])
        self.largest.add(task_vectors)

    def finish_pass(self) -> None:
        """Finish the pass of both."""
        self.smallest.finish_pass()
        self.largest.finish_pass()


class RankTally(MagnitudeTally):
    """Finds the magnitude of the last one kept, of floor(keep_fraction · n), but at least one, after the largest."""

    def __init__(self, keep_fraction: float, drop_largest: float, models: int) -> None:
        super().__init__("tensor", keep_fraction, models, released=False)
        self.drop_largest = drop_largest

    @property
    def kept(self) -> int:
        """Its rank from the top."""
        dropped = floor_of(self.drop_largest, self.elements)
        return min(self.elements, dropped + max(1, floor_of(self.keep_fraction, self.elements)))
