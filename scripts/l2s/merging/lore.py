"""LoRE-Merging: low-rank estimates of the models' differences from an implicit base (arXiv 2502.10749). No base needed.

    min over θ₀, δ   Σ ‖θ₀ + δᵢ − θᵢ‖² + μ · (nuclear norm of δᵢ),   then   θ = θ₀ + λ · τ(δ₁ … δₙ)

by coordinate descent, tensor by tensor:

    δᵢ ← SVT(θᵢ − θ₀; μ) = U max(S − μ, 0) Vᵀ,        θ₀ ← mean of θᵢ − δᵢ

``mu`` is the paper's μ, ``scale`` its λ; τ is the mean of the δᵢ or their TIES merge (trim to ``keep_fraction`` by
tensor, elect signs, disjoint mean). The models are the quick one, then the slow ones.

What the paper's row in the L2S tables can and cannot be follows from the updates alone:

- θ₀ + mean(δ) is the mean of the θᵢ once θ₀ has settled: ``combine: average`` with λ = 1 is plain averaging, for any
  number of models, from any start.
- From the mean of two models (``start: mean``), δ₁ = −δ₂ at every step. Their mean is zero, and so is their TIES merge,
  as no sign wins: both ways are plain averaging for any λ. Only rounding could let TIES choose, at random.
- The objective does not determine θ₀: between two models everything that is μ or more from both, singular value by
  singular value, is as good as the midpoint. So the start decides.

The paper's row differs from plain averaging, and the L2S paper gives no hyper-parameters.

ASSUME(lore): ``start: quick``, as θ₀ stands in for a base, which the quick model is; ``combine: ties`` with the share
of the L2S paper's TIES row. For two models that is θ₀ = quick + U min(S/2, μ) Vᵀ, δ₁ = 0, δ₂ = U max(S − 2μ, 0) Vᵀ with
U S Vᵀ = slow − quick. μ, λ and the number of iterations are those of a third party's implementation.

ASSUME(lore_tensors): every tensor counts, embeddings included; one of one dimension is a matrix of one row, whose
singular value is its norm.

DEVIATES: the paper prints the square of the nuclear norm, to which thresholding at a fixed μ is not the solution; the
updates are implemented, not the objective.

No code of the L2S paper for it was released: ``fidelity: released`` has the arithmetic of ``exact``, with the first
model's config and, where that model's embeddings are tied, without the others' output layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from l2s.checkpoints.headers import ITEM_BYTES
from l2s.merging.engine.contract import Chunk, Cost, Tally, matrix_shape
from l2s.merging.engine.magnitudes import MagnitudeTally
from l2s.merging.engine.scaling import Scale, Scaled
from l2s.merging.ties import disjoint_mean

if TYPE_CHECKING:
    from torch import Tensor


SETTLED = 1e-5  # share of δ by which θ₀ may still move, well below the tolerance of a decomposition


class Lore(Scaled):
    """Implicit base plus the combination of low-rank parts."""

    works_on: ClassVar[Literal["elements", "matrices"]] = "matrices"
    needs_base: ClassVar[bool] = False
    min_models: ClassVar[int] = 2

    mu: float = Field(0.01, ge=0, description="μ: what is taken off every singular value")
    iterations: int = Field(20, ge=1, le=1000, description="steps of coordinate descent")
    start: Literal["quick", "mean"] = Field("quick", description="where θ₀ starts: the first model, or the mean of all")
    combine: Literal["average", "ties"] = Field("ties", description="how the low-rank parts become one")
    keep_fraction: float = Field(0.2, gt=0, le=1, description="share of each part's elements that ties keeps (density)")
    scale: Scale = Field(1.0, description="λ: factor on the combined parts, or factors by tensor-name pattern")

    def cost(self, shape: tuple[int, ...], models: int) -> Cost:
        """Return the cost of one decomposition for two models, else of one for each model and iteration."""
        from l2s.merging.engine.spectra import cost

        rows, columns = matrix_shape(shape)
        vector = rows * columns * ITEM_BYTES["F32"]
        if models == 2:
            once = cost((rows, columns), functions=1)
            return once._replace(nbytes=once.nbytes + vector)
        every = cost((rows, columns), functions=1).times(models * self.iterations)
        return every._replace(nbytes=every.nbytes + (models + 1) * vector)

    def merge(self, chunk: Chunk, tally: Tally | None) -> Tensor:
        """Return θ₀ + λ · τ, float32 [n]."""
        models = [chunk.as_matrix(model) for model in chunk.models]
        center, parts = self.of_two(*models) if len(models) == 2 else self.of_several(models)
        center, parts = center.view(-1), [part.view(-1) for part in parts]
        if self.combine == "ties":
            # What is zero everywhere neither elects a sign nor counts.
            parts = [part for part in parts if part.any()] or parts[:1]
        thresholds = self._thresholds(chunk, parts) if self.combine == "ties" else []
        combined = parts[0]
        for piece in chunk.pieces():
            if thresholds:
                disjoint_mean([part[piece] for part in parts], thresholds)
            else:
                for part in parts[1:]:
                    combined[piece].add_(part[piece])
                combined[piece].div_(len(parts))
            center[piece].add_(combined[piece].mul_(self.scale_of(chunk.name)))
        return center

    def of_two(self, first: Tensor, second: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return θ₀ and the two δ, from matrices that are overwritten.

        All iterates have the singular vectors of the models' difference, so that the descent runs on its singular
        values alone. What has settled needs one product: then θ₀ of this step is that of the next, the middle of what
        the δ leave. The smaller one is multiplied, so that the other is no less exact.
        """
        import torch

        from l2s.merging.engine.spectra import decompose, multiply

        difference, part = second.sub_(first), torch.empty_like(first)
        found = decompose(difference, self.descend)
        center, *lows = self.descend(found.values)
        sizes = [float(torch.linalg.vector_norm(values)) for values in (center, *lows)]
        unsettled = torch.linalg.vector_norm(found.values - sum(lows) - 2 * center)
        if sizes[1] > 0 or unsettled > SETTLED * sizes[2]:
            multiply(difference, found.multiplier(center), into=part)
            first.add_(part)
            multiply(difference, found.multiplier(lows[0]), into=part)
            multiply(difference, found.multiplier(lows[1]), into=difference)
            return first, [part, difference]
        if sizes[2] <= 2 * sizes[0]:
            multiply(difference, found.multiplier(lows[1]), into=part)
            first.add_(difference.sub_(part).mul_(0.5))
            return first, [difference.zero_(), part]
        multiply(difference, found.multiplier(center), into=part)
        first.add_(part)
        difference.sub_(part.mul_(2))
        return first, [part.zero_(), difference]

    def descend(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return θ₀, δ₁ and δ₂ where the first model is 0 and the second has these singular values."""
        center = values / 2 if self.start == "mean" else 0 * values
        first, second = self._soft(-center), self._soft(values - center)
        for _ in range(self.iterations - 1):
            center = (values - first - second) / 2
            first, second = self._soft(-center), self._soft(values - center)
        return center, first, second

    def _soft(self, values: Tensor) -> Tensor:
        return values.sign() * (values.abs() - self.mu).clamp(min=0)

    def of_several(self, models: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Return θ₀ and the δᵢ of any number of models, which are kept."""
        import torch

        from l2s.merging.engine.spectra import threshold

        parts = [torch.zeros_like(model) for model in models]
        center = models[0].clone()
        for step in range(self.iterations):
            if step or self.start == "mean":
                center.zero_()
                for model, part in zip(models, parts, strict=True):
                    center.add_(model).sub_(part)
                center.div_(len(models))
            for model, part in zip(models, parts, strict=True):
                threshold(torch.sub(model, center, out=part), self.mu)
        return center, parts

    def _thresholds(self, chunk: Chunk, parts: list[Tensor]) -> list[float]:
        """Return for each part the magnitude from which on an element is kept."""
        tally = MagnitudeTally("tensor", self.keep_fraction, len(parts), released=False)
        for _ in range(tally.passes):
            for piece in chunk.pieces():
                tally.add([part[piece].clone() for part in parts])
            tally.finish_pass()
        return tally.thresholds
