"""AIM: relax a merged model towards the base where its inputs are largest (Nobari et al. 2025, arXiv 2502.02421).

    W = W_base + (W_merged − W_base) · (1 − imp · (1 − ω))

imp is the base's mean absolute input per channel, divided by the largest of its tensor: in [0, 1]. ω = 1 keeps the
merged model, ω = 0 restores the base on the most important channel. It acts on every weight of linear layers and norms,
the output layer included; embeddings and biases stay merged, as in the authors' code (commit e7eccd57).

``of`` is the recipe that is relaxed; the paper's row is AIM over TIES with ω = 0.4. An inner method without a base sees
the base as its first model.

ASSUME(aim_answer): calibrated on the quick answers, as the paper says for its ablation ("question + short answer"). The
study calibration_answers has the slow ones and both beside them.

DEVIATES: the authors average in blocks of 512 tokens, here every token counts alike; they relax weights already rounded
to the output's dtype, here everything is float32 until the end.

``fidelity: released`` relaxes what the released code of the inner method writes: for TIES that is computed in bfloat16
and rounded to it. The relaxation itself is float32, as no code of the L2S paper for it was released. Config and tied
embeddings are as with any method.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any

from pydantic import Field

from l2s.checkpoints.headers import ITEM_BYTES
from l2s.contracts.calibration_data import Answer
from l2s.errors import UserError
from l2s.merging.engine.contract import CalibrationRequest, Chunk, Cost, Method, Tally
from l2s.merging.engine.recipe import Nested

if TYPE_CHECKING:
    from torch import Tensor

    from l2s.contracts.calibrations import Calibration

IMPORTANCE = "importance"
EMBEDDING = ".embed_tokens."


class Aim(Method):
    """Relax a merged model towards the base by channel importance."""

    omega: float = Field(0.4, ge=0, le=1, description="ω: share of the change kept on the most important channel")
    of: Nested = Field(description="the recipe to relax: a method with its hyper-parameters")
    calibration_data: str = Field("s1k", description="calibration data: entry of config/calibration_data")
    answer: Answer = Field("quick", description="which of its answers the base reads")

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
        """Ask for the base's activations, and for what the inner method asks for."""
        own = {IMPORTANCE: CalibrationRequest("activations", (None,), self.calibration_data, self.answer)}
        return {**self.of.calibrations_needed(models), **own}

    def prepare(
        self, calibrations: Mapping[str, Calibration], shapes: Mapping[str, tuple[int, ...]]
    ) -> tuple[dict[str, Tensor], Any]:
        """Return the factor 1 − imp · (1 − ω) per channel of each tensor that has one, and the inner method's part."""
        calibration = calibrations[IMPORTANCE]
        factors = {}
        for name, shape in shapes.items():
            if EMBEDDING in name or not name.endswith(".weight"):
                continue
            if name not in calibration.data:
                raise UserError(f"{calibration.path}: has no activations of '{name}'; measure it again")
            means = calibration.data[name]
            if len(means) != shape[-1]:
                raise UserError(f"{calibration.path}: '{name}' has {len(means)} channels, the tensor {shape[-1]}")
            largest = means.max()
            if not largest.isfinite():
                raise UserError(f"{calibration.path}: '{name}' holds NaN or infinity; measure it again")
            importance = means / largest if largest > 0 else means
            factors[name] = 1 - importance * (1 - self.omega)
        return factors, self.of.prepare(calibrations, shapes)

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
        """Return base + (merged − base) · factor of the channel, float32 [n]."""
        factors, _ = chunk.prepared
        if chunk.name not in factors:
            return self.of.merge(self._inner(chunk), tally)
        base = chunk.base.clone()
        # Where the inner method computes in bfloat16, its released code also writes that.
        merged = self.of.merge(self._inner(chunk), tally).to(base.dtype).float()
        per_element = _along(factors[chunk.name].to(base.device), chunk.offset, len(base))
        return merged.sub_(base).mul_(per_element).add_(base)

    def _inner(self, chunk: Chunk) -> Chunk:
        _, prepared = chunk.prepared
        if self.of.needs_base:
            return Chunk(chunk.name, chunk.shape, chunk.offset, chunk.base, chunk.models, prepared)
        return Chunk(chunk.name, chunk.shape, chunk.offset, None, [chunk.base, *chunk.models], prepared)


def _along(channels: Tensor, offset: int, count: int) -> Tensor:
    """Repeat [channels] values along the elements offset … offset + count of a row-major tensor, float32 [count]."""
    size = len(channels)
    start = offset % size
    rows = -(-(start + count) // size)
    return channels.expand(rows, size).reshape(-1)[start : start + count]
