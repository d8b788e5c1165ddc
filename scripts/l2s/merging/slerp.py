"""SLERP: spherical linear interpolation between the base and one model, each tensor a vector (Shoemake 1985).

    θ = (sin((1 − α) Ω) · θ_base + sin(α Ω) · θ_slow) / sin Ω,   cos Ω = ⟨θ_base, θ_slow⟩ / (‖θ_base‖ ‖θ_slow‖)

``scale`` is α, mergekit's t: 0 is the base, 1 the model, more goes beyond it. As in mergekit (0.1.5) tensors that are
nearly parallel or opposite, |cos Ω| > 0.9995, are interpolated on the straight line, (1 − α) θ_base + α θ_slow, which
is task arithmetic; a norm up to 1e-8 counts as 1.

What can be said from the equation alone: where a fine-tuned model is so close to its base that every tensor is nearly
parallel, SLERP is task arithmetic with the same α.

DEVIATES: mergekit sums float32 products of float32 unit vectors; here angles come from sums without rounding errors, so
that they are the same for any chunks, threads or device.

Not in the paper: ``fidelity: released`` has the arithmetic of ``exact``, with the base's config and, where the base's
embeddings are tied, without the slow model's output layer.
"""

from __future__ import annotations

from math import acos, sin, sqrt
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from l2s.merging.engine.contract import Chunk, Scope
from l2s.merging.engine.exact_sums import ExactSum
from l2s.merging.engine.scaling import Scale, Scaled

if TYPE_CHECKING:
    from torch import Tensor

NEARLY_PARALLEL = 0.9995
SMALLEST_NORM = 1e-8


class Slerp(Scaled):
    """Interpolation on the arc between the base and one model."""

    max_models: ClassVar[int | None] = 1

    scale: Scale = Field(
        0.7, description="α: how far to go from the base to the model, or numbers by tensor-name pattern"
    )

    def tally(self, models: int, released: bool) -> AngleTally:
        """Return the tally that measures the angle."""
        return AngleTally()

    def count(self, chunk: Chunk, tally: AngleTally) -> None:
        """Add a chunk of both models to their norms and product."""
        tally.add([chunk.base, *chunk.models])

    def merge(self, chunk: Chunk, tally: AngleTally) -> Tensor:
        """Return the point on the arc, float32 [n]."""
        of_base, of_model = coefficients(tally.cosine, self.scale_of(chunk.name))
        (model,) = chunk.models
        return chunk.base.mul_(of_base).add_(model.mul_(of_model))


class AngleTally:
    """Measures the angle between two vectors, in one pass.

    Attributes:
        cosine: After the pass, the cosine of the angle.
    """

    scope: Scope = "tensor"
    passes = 1

    def __init__(self) -> None:
        self.squares = ExactSum(), ExactSum()
        self.product = ExactSum()
        self.cosine = 0.0

    def add(self, vectors: list[Tensor]) -> None:
        """Count the elements of base and model, float32 [n] each."""
        for total, vector in zip(self.squares, vectors, strict=True):
            total.add(vector, vector)
        self.product.add(*vectors)

    def finish_pass(self) -> None:
        """Set ``cosine``."""
        norms = [sqrt(total.value) for total in self.squares]
        first, second = (norm if norm > SMALLEST_NORM else 1.0 for norm in norms)
        self.cosine = max(-1.0, min(1.0, self.product.value / first / second))


def coefficients(cosine: float, scale: float) -> tuple[float, float]:
    """Return the factors on base and model of the point that lies so far along the arc."""
    if abs(cosine) > NEARLY_PARALLEL:
        return 1 - scale, scale
    angle = acos(cosine)
    return sin((1 - scale) * angle) / sin(angle), sin(scale * angle) / sin(angle)
