"""Methods that take another recipe's merge and move each weight back towards the base.

    W = W_base + (W_merged − W_base) · factor

The factor is a number for a tensor, or one for each channel of its inputs; tensors without one stay merged. An inner
method without a base sees the base as its first model.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any

from pydantic import Field

from l2s.checkpoints.headers import ITEM_BYTES
from l2s.merging.engine.contract import CalibrationRequest, Chunk, Cost, Method, Tally
from l2s.merging.engine.recipe import Nested

if TYPE_CHECKING:
    from torch import Tensor

    from l2s.contracts.calibrations import Calibration


class OverAnother(Method):
    """A method on top of another one."""

    of: Nested = Field(description="the recipe to change: a method with its hyper-parameters")

    @abstractmethod
    def own_calibrations(self) -> dict[str, CalibrationRequest]:
        """Return the calibrations that this method reads, by names of its own."""

    @abstractmethod
    def factors(
        self, calibrations: Mapping[str, Calibration], shapes: Mapping[str, tuple[int, ...]]
    ) -> Mapping[str, float | Tensor]:
        """Return by tensor name a number, or float32 [input channels]; the arguments are those of ``prepare``."""

    @property
    def works_on(self) -> str:
        """What the inner method works on."""
        return self.of.works_on

    @property
    def released_in_bfloat16(self) -> bool:
        """What the inner method is."""
        return self.of.released_in_bfloat16

    @property
    def min_models(self) -> int:
        """What the inner method needs; the base counts among its models if it has none."""
        return max(1, self.of.min_models - self._base_among_models)

    @property
    def max_models(self) -> int | None:
        """What the inner method allows."""
        return None if self.of.max_models is None else self.of.max_models - self._base_among_models

    @property
    def _base_among_models(self) -> int:
        return 0 if self.of.needs_base else 1

    def calibrations_needed(self, models: int) -> dict[str, CalibrationRequest]:
        """Ask for this method's calibrations and for what the inner method asks for."""
        return {**self.of.calibrations_needed(models), **self.own_calibrations()}

    def prepare(
        self, calibrations: Mapping[str, Calibration], shapes: Mapping[str, tuple[int, ...]]
    ) -> tuple[Mapping[str, float | Tensor], Any]:
        """Return the factors, and the inner method's part."""
        return self.factors(calibrations, shapes), self.of.prepare(calibrations, shapes)

    def check_tensors(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Let the inner method check."""
        self.of.check_tensors(shapes)

    def cost(self, shape: tuple[int, ...], models: int) -> Cost:
        """Return the inner method's cost and that of two vectors more: the base, and the factor of each element."""
        inner = self.of.cost(shape, models + self._base_among_models)
        return inner._replace(nbytes=inner.nbytes + 2 * prod(shape) * ITEM_BYTES["F32"])

    def tally(self, models: int, released: bool) -> Tally | None:
        """Return the inner method's tally."""
        return self.of.tally(models, released)

    def count(self, chunk: Chunk, tally: Tally) -> None:
        """Let the inner method count."""
        self.of.count(self._inner(chunk), tally)

    def merge(self, chunk: Chunk, tally: Tally | None) -> Tensor:
        """Return base + (merged − base) · factor, float32 [n]."""
        factors, _ = chunk.prepared
        if chunk.name not in factors:
            return self.of.merge(self._inner(chunk), tally)
        base, factor = chunk.base.clone(), factors[chunk.name]
        # Where the inner method computes in bfloat16, its released code also writes that.
        merged = self.of.merge(self._inner(chunk), tally).to(base.dtype).float()
        if not isinstance(factor, float):
            factor = along(factor.to(base.device), chunk.offset, len(base))
        return merged.sub_(base).mul_(factor).add_(base)

    def _inner(self, chunk: Chunk) -> Chunk:
        _, prepared = chunk.prepared
        if self.of.needs_base:
            return Chunk(chunk.name, chunk.shape, chunk.offset, chunk.base, chunk.models, prepared)
        return Chunk(chunk.name, chunk.shape, chunk.offset, None, [chunk.base, *chunk.models], prepared)


def along(channels: Tensor, offset: int, count: int) -> Tensor:
    """Repeat [channels] values along the elements offset … offset + count of a row-major tensor, float32 [count]."""
    size = len(channels)
    start = offset % size
    rows = -(-(start + count) // size)
    return channels.expand(rows, size).reshape(-1)[start : start + count]
