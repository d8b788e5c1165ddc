"""The exact k-th largest magnitude of a float32 vector of any length, from two counting passes.

The bits of |x|, read as an integer, order like the magnitudes. The first pass counts their upper 16 bits, which finds
the bin that holds the k-th largest; the second counts the lower 15 bits of that bin. Counts add up over chunks, threads
and shards, so the threshold is exact without a sort and without holding the vector.
"""

from __future__ import annotations

import threading
from math import floor
from typing import TYPE_CHECKING

import numpy as np

from l2s.merging.engine.contract import Scope

if TYPE_CHECKING:
    from torch import Tensor

LOW_BITS = 15
LOW_MASK = (1 << LOW_BITS) - 1
HIGH_BINS = 1 << 16
SIGN_MASK = 0x7FFFFFFF


class MagnitudeTally:
    """Finds for each task vector the magnitude of its k-th largest element.

    A bfloat16 magnitude has no bits below the upper 16, so that one pass is enough for bfloat16 task vectors.

    Args:
        scope: ``tensor``: thresholds per tensor; ``model``: one threshold per task vector over the whole model.
        keep_fraction: Share of elements to keep, in (0, 1].
        models: Number of task vectors.
        released: Take k as the paper's released code does, over task vectors in bfloat16.

    Attributes:
        thresholds: After the last pass, one per task vector.
        majority: The sign that is elected where task vectors cancel exactly; 0: none.
    """

    majority = 0

    def __init__(self, scope: Scope, keep_fraction: float, models: int, released: bool) -> None:
        import torch

        self.released = released
        self.passes = 1 if released else 2
        self.scope = scope
        self.keep_fraction = keep_fraction
        self.elements = 0
        self.high = torch.zeros(models, HIGH_BINS, dtype=torch.int64)
        self.low = torch.zeros(models, LOW_MASK + 1, dtype=torch.int64)
        self.bins: list[int] | None = None
        self.above: list[int] = []
        self.thresholds: list[float] = []
        self.lock = threading.Lock()

    def add(self, task_vectors: list[Tensor]) -> None:
        """Count task vectors [n], one per model: float32, or bfloat16 if ``released``."""
        import torch

        for number, vector in enumerate(task_vectors):
            # In place: the vectors are the engine's buffers, and nobody reads them after the count.
            bits = vector.float().view(torch.int32).bitwise_and_(SIGN_MASK)
            if self.bins is None:
                counts = torch.bincount(bits.bitwise_right_shift_(LOW_BITS), minlength=HIGH_BINS).cpu()
                with self.lock:
                    self.high[number] += counts
                    self.elements += len(vector) if number == 0 else 0
            else:
                # As unsigned numbers, what lies below the bin wraps to large ones: one comparison instead of two.
                above = bits.sub_(self.bins[number] << LOW_BITS).cpu().numpy().view(np.uint32)
                counts = np.bincount(above[np.flatnonzero(above <= LOW_MASK)], minlength=LOW_MASK + 1)
                with self.lock:
                    self.low[number] += torch.from_numpy(counts)

    def finish_pass(self) -> None:
        """After the first pass choose each vector's bin; after the second set ``thresholds``."""
        if self.bins is None:
            found = [_kth_bin(row, self.kept) for row in self.high]
            self.bins = [place for place, _ in found]
            self.above = [above for _, above in found]
            if self.released:
                self.thresholds = [_float_of_bits(place << LOW_BITS) for place in self.bins]
            return
        for number, place in enumerate(self.bins):
            low, _ = _kth_bin(self.low[number], self.kept - self.above[number])
            self.thresholds.append(_float_of_bits(place << LOW_BITS | low))

    @property
    def kept(self) -> int:
        """k: how many elements are to be kept, ceil(keep_fraction · n); those equal to the k-th are kept as well.

        The released code keeps what is not below the j-th smallest magnitude, j = floor((1 − keep_fraction) · n).
        """
        if self.released:
            dropped = floor_of(1 - self.keep_fraction, self.elements)
            return min(self.elements, self.elements - dropped + 1)
        return max(1, -floor_of(-self.keep_fraction, self.elements))


def floor_of(share: float, elements: int) -> int:
    """Return floor(share · elements)."""
    # Rounding first: 0.2 * 5 is a hair over 1 in binary, and means 1.
    return floor(round(share * elements, 6))


def _kth_bin(counts: Tensor, k: int) -> tuple[int, int]:
    """Return the bin that holds the k-th largest value, and how many values lie in the bins above it."""
    from_top = counts.flip(0).cumsum(0)
    position = int((from_top < k).sum())
    above = int(from_top[position - 1]) if position else 0
    return len(counts) - 1 - position, above


def _float_of_bits(bits: int) -> float:
    import torch

    return torch.tensor(bits, dtype=torch.int32).view(torch.float32).item()
