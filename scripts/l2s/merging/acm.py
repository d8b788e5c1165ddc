"""ACM: coefficients by layer from the mutual information of activations (Yao et al. 2025, arXiv 2505.14009).

    θ = θ_base + λ_k · (θ_merged − θ_base),   λ_k = 1 − 1 / (1 + exp(−t · I_k))

I_k is the mutual information of the base's and the slow model's activations in module k: the embedding, a layer's
down_proj, the final norm, the output layer. Where the models agree, I is large and λ small. ``of`` is the recipe that
is scaled: the paper's rows are task arithmetic and TIES. ``slope`` is t, 0.7 at every size. A layer's coefficient holds
for all of its tensors.

The sources disagree about I, of which they have one number for each text of the calibration data:

- ``published``: I_k is the mean over the texts, less the largest mean of all modules, so that λ lies between 0.5 and 1.
- ``released``: as in the code of a public rerun, from each text's I the largest one of this module is taken, and λ is
  the mean over the texts. How much modules differ from each other then has no effect.

ASSUME(acm_translation): the paper says that I is translated by its maximum, and not over what that is taken;
``published`` takes it over the modules.

ASSUME(acm_texts): the paper clusters s1K and takes a tenth of each cluster, the code 5 questions of each of 20
clusters; here the questions of the calibration data are read.

DEVIATES: the code measures the base against the model that ``of`` merges; here it is the slow model, as in the paper,
so that one calibration serves every recipe.

DEVIATES: for several slow models the paper averages, each with its own coefficients; here it is one.

``fidelity: released`` scales what the released code of the inner method writes, as ``aim`` does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from math import exp, isfinite
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from l2s.checkpoints.tensor_names import DOWN, layer_of
from l2s.errors import UserError
from l2s.merging.engine.contract import CalibrationRequest
from l2s.merging.engine.over_another import OverAnother
from l2s.merging.engine.recipe import Nested

if TYPE_CHECKING:
    from l2s.contracts.calibrations import Calibration

INFORMATION = "information"


class Acm(OverAnother):
    """Scale a merged model's layers by what the models share in them."""

    variant: Literal["published", "released"] = Field("published", description="whose formula, see the module")
    slope: float = Field(0.7, ge=-5, le=5, description="t: how steeply the coefficient falls with the information")
    of: Nested = Field(description="the recipe to scale: a method with its hyper-parameters")
    calibration_data: str = Field("s1k-questions", description="calibration data: entry of config/calibration_data")

    @property
    def max_models(self) -> int | None:
        """One slow model."""
        return 1

    def own_calibrations(self) -> dict[str, CalibrationRequest]:
        """Ask for the mutual information of the base and the slow model; of the texts only the questions are read."""
        return {INFORMATION: CalibrationRequest("mutual_information", (None, 0), self.calibration_data, "quick")}

    def check_tensors(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Refuse models without a down_proj in each layer, such as mixtures of experts.

        Raises:
            UserError: Names the layer.
        """
        super().check_tensors(shapes)
        for layer in sorted({layer for layer in map(layer_of, shapes) if layer is not None}):
            if DOWN.format(layer) not in shapes:
                raise UserError(
                    f"method 'acm' reads the outputs of every layer's down_proj, and layer {layer} of these models has "
                    f"no tensor '{DOWN.format(layer)}'; use another method"
                )

    def factors(
        self, calibrations: Mapping[str, Calibration], shapes: Mapping[str, tuple[int, ...]]
    ) -> dict[str, float]:
        """Return λ of each tensor's module."""
        calibration = calibrations[INFORMATION]
        measured: dict[str | int, list[float]] = defaultdict(list)
        for row in calibration.data.to_pylist():
            if not isfinite(row["mutual_information"]):
                raise UserError(f"{calibration.path}: '{row['tensor']}' has no finite number; measure it again")
            measured[_module(row["tensor"])].append(row["mutual_information"])
        for name in shapes:
            if _module(name) not in measured:
                raise UserError(f"{calibration.path}: has no activations for '{name}'; measure it again")
        by_module = self._coefficients(measured)
        for module, value in by_module.items():
            print(f"coefficient of {f'layer {module}' if isinstance(module, int) else module}: {value:.4f}")
        return {name: by_module[_module(name)] for name in shapes}

    def _coefficients(self, measured: Mapping[str | int, list[float]]) -> dict[str | int, float]:
        means = {module: fmean(values) for module, values in measured.items()}
        if self.variant == "published":
            largest = max(means.values())
            return {module: self._coefficient(mean - largest) for module, mean in means.items()}
        return {
            module: fmean(self._coefficient(value - max(values)) for value in values)
            for module, values in measured.items()
        }

    def _coefficient(self, information: float) -> float:
        return 1 - 1 / (1 + exp(-self.slope * information))


def _module(tensor: str) -> str | int:
    """Return the number of a tensor's layer; outside the layers its name."""
    layer = layer_of(tensor)
    return tensor if layer is None else layer
