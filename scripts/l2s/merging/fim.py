"""FIM-Merging: coefficients by layer from Fisher information, over TIES (Xia 2026, arXiv 2603.21705).

    θ = θ_base + α_l · (θ_merged − θ_base),   α_l = 1 / (1 + exp(z_l))
    z_l = (s_l − mean of s) / standard deviation of s,   s_l = log( F_l · ‖θ_slow − θ_base‖² over layer l )

F_l is the mean squared gradient of layer l's weights in the base, on sequences of random tokens. Where the base's loss
is most curved and the models are furthest apart, the merge keeps closest to the base. ``of`` is the recipe that is
scaled: the paper's rows are TIES with ``keep_fraction`` 0.2 at 1.5B and 0.4 at 7B. ``gate_factor`` multiplies α_l for
the gate_proj of a layer.

No code of it is known to us, and the paper's text only in excerpts; so this is a reading of it:

ASSUME(fim_coefficient): scores are said to be taken as logarithms, normalised and put through a sigmoid; of constants
nothing is known. Here they are normalised to mean 0 and standard deviation 1.

ASSUME(fim_outside): what becomes of tensors outside the layers is not said; they take the mean of α_l.

DEVIATES: the paper rescales layers whose norm is off by more than 5 %; this is left out, as from what it is off, and
to what it is rescaled, is not known to us.

``fidelity: released`` scales what the released code of the inner method writes, as ``aim`` does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from math import exp, isfinite, log
from statistics import fmean, pstdev
from typing import TYPE_CHECKING

from pydantic import Field

from l2s.checkpoints.tensor_names import layer_of, module_of
from l2s.errors import UserError
from l2s.merging.engine.contract import CalibrationRequest
from l2s.merging.engine.over_another import OverAnother
from l2s.merging.engine.recipe import Nested

if TYPE_CHECKING:
    from l2s.contracts.calibrations import Calibration

FISHER = "fisher"
SMALLEST_SCORE = 1e-300  # of a layer in which the models are the same, which no coefficient changes


class Fim(OverAnother):
    """Scale a merged model's layers by curvature and distance."""

    of: Nested = Field(description="the recipe to scale: a method with its hyper-parameters")
    gate_factor: float = Field(0.7, ge=0, le=2, description="factor on the coefficient of a layer's gate_proj")
    calibration_data: str = Field(
        "s1k-8", description="entry of config/calibration_data; only how many texts it has counts, see the module"
    )

    @property
    def max_models(self) -> int | None:
        """One slow model."""
        return 1

    def own_calibrations(self) -> dict[str, CalibrationRequest]:
        """Ask for the base's Fisher information and the slow model's distance."""
        return {FISHER: CalibrationRequest("fisher", (None, 0), self.calibration_data, "quick")}

    def factors(
        self, calibrations: Mapping[str, Calibration], shapes: Mapping[str, tuple[int, ...]]
    ) -> dict[str, float]:
        """Return α of each tensor's layer, times ``gate_factor`` for gate_proj."""
        scores = _scores(calibrations[FISHER], {layer for layer in map(layer_of, shapes) if layer is not None})
        center, spread = fmean(scores.values()), pstdev(scores.values())
        by_layer: dict[int | None, float] = {
            layer: 1 / (1 + exp((score - center) / spread)) if spread else 0.5 for layer, score in scores.items()
        }
        for layer, value in by_layer.items():
            print(f"coefficient of layer {layer}: {value:.4f}")
        by_layer[None] = fmean(by_layer.values())
        gate = {True: self.gate_factor, False: 1.0}
        return {name: by_layer[layer_of(name)] * gate[module_of(name) == "gate_proj"] for name in shapes}


def _scores(calibration: Calibration, layers: set[int]) -> dict[int, float]:
    """Return s of each layer, in their order."""
    sums: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for row in calibration.data.to_pylist():
        if row["layer"] is not None:
            for place, column in enumerate(("squared_gradient", "elements", "squared_shift")):
                sums[row["layer"]][place] += row[column]
    if sums.keys() != layers:
        wrong = min(sums.keys() ^ layers)
        raise UserError(f"{calibration.path}: layer {wrong} is in the Fisher information or in the model, not in both")
    scores = {layer: gradient / elements * shift for layer, (gradient, elements, shift) in sorted(sums.items())}
    for layer, score in scores.items():
        if not isfinite(score):
            raise UserError(f"{calibration.path}: layer {layer} has the score {score}; measure it again")
    return {layer: log(max(score, SMALLEST_SCORE)) for layer, score in scores.items()}
