"""TIES merging: trim, elect signs, disjoint mean (Yadav et al. 2023, arXiv 2306.01708, algorithm 1).

1. Trim: of each task vector keep the ``keep_fraction`` elements of largest magnitude, set the others to zero.
2. Elect: an element's sign is that of the sum of the trimmed task vectors.
3. Merge: the mean of the trimmed values that have the elected sign (zeros do not count), times ``scale``, is added to
   the base.

With one task vector there is nothing to elect: TIES is then magnitude trimming, then task arithmetic.

``keep_fraction`` is 1 − k of the paper's Table 7, whose k is the share dropped. Elements equal to the threshold are all
kept, as in the paper's released code. ``trim: tensor`` takes a threshold for each tensor, as that code's
``ties_merging`` does; ``trim: model`` takes one for the whole task vector, as in the TIES paper.

DEVIATES: the released code subtracts and compares in bfloat16, and keeps one element more (what is not below the j-th
smallest magnitude, j = floor(k·n)); here the differences are float32 and the thresholds the exact magnitudes of rank
ceil(keep_fraction · n). ``fidelity: released`` does as that code does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from l2s.merging.engine.contract import Chunk, Scope
from l2s.merging.engine.magnitudes import MagnitudeTally
from l2s.merging.engine.scaling import Scale, Scaled

if TYPE_CHECKING:
    from torch import Tensor


class Ties(Scaled):
    """Trim, elect sign, disjoint mean."""

    keep_fraction: float = Field(0.2, gt=0, le=1, description="1 − k: share of each task vector's elements to keep")
    scale: Scale = Field(1.0, description="α: factor on the merged task vector, or factors by tensor-name pattern")
    trim: Scope = Field("tensor", description="whether the threshold is taken per tensor or over the whole model")

    def tally(self, models: int, released: bool) -> MagnitudeTally:
        """Return the tally that finds the thresholds."""
        return MagnitudeTally(self.trim, self.keep_fraction, models, released)

    def count(self, chunk: Chunk, tally: MagnitudeTally) -> None:
        """Count the magnitudes of the task vectors."""
        tally.add(self.task_vectors(chunk))

    def merge(self, chunk: Chunk, tally: MagnitudeTally) -> Tensor:
        """Return base + scale · disjoint mean of the trimmed task vectors, float32 [n]."""
        mean = disjoint_mean(self.task_vectors(chunk), tally.thresholds)
        return chunk.base.add_(mean.mul_(self.scale_of(chunk.name)))


def disjoint_mean(task_vectors: list[Tensor], thresholds: list[float]) -> Tensor:
    """Trim each float32 [n] task vector at its threshold, elect signs and average what agrees, in place."""
    for vector, threshold in zip(task_vectors, thresholds, strict=True):
        vector.mul_(vector.abs().ge_(threshold))
    first, *others = task_vectors
    if not others:
        return first
    total = first.clone()
    for vector in others:
        total.add_(vector)
    elected = total.sign_()
    agreeing = [vector.mul_(vector.sign().eq_(elected)) for vector in task_vectors]
    count = sum(vector.ne(0).to(vector.dtype) for vector in agreeing)
    for vector in others:
        first.add_(vector)
    return first.div_(count.clamp_(min=1))
