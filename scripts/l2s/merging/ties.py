"""TIES merging: trim, elect signs, disjoint mean (Yadav et al. 2023, arXiv 2306.01708, algorithm 1).

1. Trim: of each task vector keep the ``keep_fraction`` elements of largest magnitude, set the others to zero.
2. Elect: an element's sign is that of the sum of the trimmed task vectors.
3. Merge: the mean of the trimmed values that have the elected sign (zeros do not count), times ``scale``, is added to
   the base.

With one task vector there is nothing to elect: TIES is then magnitude trimming, then task arithmetic.

ASSUME(ties_k): ``keep_fraction`` is 1 − k of the paper's Table 7, whose k is the share dropped, as the option of its
released code is that this k is given to. Elements equal to the threshold are all kept, as in that code.

ASSUME(ties_trim): ``trim: tensor`` takes a threshold for each tensor, as that code's ``ties_merging`` does;
``trim: model`` takes one for the whole task vector, as in the TIES paper.

DEVIATES: the released code subtracts and compares in bfloat16, and keeps one element more (what is not below the j-th
smallest magnitude, j = floor(k·n)); here the differences are float32 and the thresholds the exact magnitudes of rank
ceil(keep_fraction · n). ``fidelity: released`` does as that code does: bfloat16 up to the sum of what agrees, then
float32, rounded once.

DEVIATES: where trimmed task vectors cancel exactly, algorithm 1 elects no sign and adds nothing, and so does this. The
released code elects the sign that most elements of the tensor have (of the model, with ``trim: model``), so that +0.25
and −0.25 give +0.25 or −0.25, depending on elements that have nothing to do with them. ``fidelity: released`` does that
too, in one more pass over the weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from l2s.merging.engine.contract import Chunk, Scope
from l2s.merging.engine.magnitudes import MagnitudeTally
from l2s.merging.engine.scaling import Scale, Scaled

if TYPE_CHECKING:
    from torch import Tensor


class Ties(Scaled):
    """Trim, elect sign, disjoint mean."""

    released_in_bfloat16: ClassVar[bool] = True

    keep_fraction: float = Field(
        0.2, gt=0, le=1, description="1 − k: share of each task vector's elements to keep (its density)"
    )
    scale: Scale = Field(1.0, description="α: factor on the merged task vector, or factors by tensor-name pattern")
    trim: Scope = Field("tensor", description="whether the threshold is taken per tensor or over the whole model")

    def tally(self, models: int, released: bool) -> MagnitudeTally:
        """Return the tally that finds the thresholds, and for several released task vectors the majority's sign."""
        if released and models > 1:
            return ElectionTally(self.trim, self.keep_fraction, models)
        return MagnitudeTally(self.trim, self.keep_fraction, models, released)

    def count(self, chunk: Chunk, tally: MagnitudeTally) -> None:
        """Count the magnitudes of the task vectors."""
        tally.add(self.task_vectors(chunk))

    def merge(self, chunk: Chunk, tally: MagnitudeTally) -> Tensor:
        """Return base + scale · disjoint mean of the trimmed task vectors, float32 [n]."""
        mean = disjoint_mean(self.task_vectors(chunk), tally.thresholds, tally.majority)
        return chunk.base.float().add_(mean.mul_(self.scale_of(chunk.name)))


class ElectionTally(MagnitudeTally):
    """Thresholds as the released code takes them, then the sign that most sums of trimmed task vectors have.

    Args:
        scope: As for ``MagnitudeTally``; the sign goes with the thresholds.
        keep_fraction: Share of elements to keep.
        models: Number of task vectors.
    """

    def __init__(self, scope: Scope, keep_fraction: float, models: int) -> None:
        super().__init__(scope, keep_fraction, models, released=True)
        self.passes = 2
        self.balance = 0

    @property
    def majority(self) -> int:
        """1, -1, or 0 where as many sums are positive as negative."""
        return (self.balance > 0) - (self.balance < 0)

    def add(self, task_vectors: list[Tensor]) -> None:
        """Count bfloat16 task vectors [n], one per model: magnitudes, in the second pass signs."""
        if not self.thresholds:
            super().add(task_vectors)
            return
        balance = int(elect(trim(task_vectors, self.thresholds)).double().sum())
        with self.lock:
            self.balance += balance

    def finish_pass(self) -> None:
        """After the first pass set ``thresholds``."""
        if not self.thresholds:
            super().finish_pass()


def trim(task_vectors: list[Tensor], thresholds: list[float]) -> list[Tensor]:
    """Set to zero, in place, what of each [n] task vector is below its threshold."""
    return [
        vector.mul_(vector.abs().ge_(threshold)) for vector, threshold in zip(task_vectors, thresholds, strict=True)
    ]


def elect(task_vectors: list[Tensor]) -> Tensor:
    """Return the sign of the sum of task vectors [n], each addition in their dtype: 1, -1, or 0."""
    first, *others = task_vectors
    total = first.clone()
    for vector in others:
        total.add_(vector)
    return total.sign_()


def disjoint_mean(task_vectors: list[Tensor], thresholds: list[float], majority: int = 0) -> Tensor:
    """Trim task vectors at their thresholds, elect signs and average what agrees.

    Args:
        task_vectors: One [n] per model, float32 (bfloat16 with ``fidelity: released``); overwritten.
        thresholds: One per task vector.
        majority: The sign that is elected where the sum is zero.

    Returns:
        The mean, float32 [n]; of float32 task vectors it lies in the first one.
    """
    first, *others = trim(task_vectors, thresholds)
    if not others:
        return first.float()
    elected = elect(task_vectors)
    if majority:
        elected.add_(elected.eq(0).mul(majority))
    agreeing = [vector.mul_(vector.sign().eq_(elected)) for vector in task_vectors]
    count = sum(vector.ne(0).float() for vector in agreeing)
    for vector in others:
        first.add_(vector)
    return first.float().div_(count.clamp_(min=1))
