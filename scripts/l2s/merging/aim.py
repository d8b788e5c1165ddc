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
from typing import TYPE_CHECKING

from pydantic import Field

from l2s.contracts.calibration_data import Answer
from l2s.errors import UserError
from l2s.merging.engine.contract import CalibrationRequest
from l2s.merging.engine.over_another import OverAnother
from l2s.merging.engine.recipe import Nested

if TYPE_CHECKING:
    from torch import Tensor

    from l2s.contracts.calibrations import Calibration

IMPORTANCE = "importance"
EMBEDDING = ".embed_tokens."


class Aim(OverAnother):
    """Relax a merged model towards the base by channel importance."""

    omega: float = Field(0.4, ge=0, le=1, description="ω: share of the change kept on the most important channel")
    of: Nested = Field(description="the recipe to relax: a method with its hyper-parameters")
    calibration_data: str = Field("s1k", description="calibration data: entry of config/calibration_data")
    answer: Answer = Field("quick", description="which of its answers the base reads")

    def own_calibrations(self) -> dict[str, CalibrationRequest]:
        """Ask for the base's activations."""
        return {IMPORTANCE: CalibrationRequest("activations", (None,), self.calibration_data, self.answer)}

    def factors(
        self, calibrations: Mapping[str, Calibration], shapes: Mapping[str, tuple[int, ...]]
    ) -> dict[str, Tensor]:
        """Return 1 − imp · (1 − ω) per channel of each tensor that is relaxed."""
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
        return factors
