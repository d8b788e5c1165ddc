"""Sums of products that do not depend on the order of addition, and so not on chunks, threads or device.

The product of two float32 numbers is exact in float64. Each is split into whole multiples of a few fixed quanta, from
large to small; whole numbers add up exactly in float64 as long as their sum stays below 2**53, in any order, and
between pieces they add up as Python's integers. What lies below the smallest quantum is rounded to it.
"""

from __future__ import annotations

from fractions import Fraction
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# 34 bits apart: a piece's sum of 2**16 whole numbers up to 2**34 stays below 2**53 with room to spare. The first one
# leaves room for weights up to 2**26, the last one holds products of weights of 1e-9 to three digits.
QUANTA = (2.0**18, 2.0**-16, 2.0**-50, 2.0**-84)
PIECE_ELEMENTS = 1 << 16


class ExactSum:
    """The sum of the products of corresponding elements of vectors that come in chunks."""

    def __init__(self) -> None:
        self.wholes: list[float] = [0] * len(QUANTA)

    def add(self, first: Tensor, second: Tensor) -> None:
        """Add the products of two float32 vectors [n]."""
        import torch

        for ours, theirs in zip(first.split(PIECE_ELEMENTS), second.split(PIECE_ELEMENTS), strict=True):
            rest = ours.double().mul_(theirs.double())
            totals = []
            for quantum in QUANTA:
                # Powers of two: neither product nor difference is rounded.
                whole = rest.mul(1 / quantum).round_()
                totals.append(whole.sum())
                rest.sub_(whole.mul_(quantum))
            for place, total in enumerate(torch.stack(totals).tolist()):
                # The engine names NaN and infinity when it merges; until then they only have to last.
                self.wholes[place] += int(total) if isfinite(total) else total

    @property
    def value(self) -> float:
        """The sum so far, rounded once."""
        return float(sum(whole * Fraction(quantum) for whole, quantum in zip(self.wholes, QUANTA, strict=True)))
