r"""Sens-Merging: coefficients per layer from the models' sensitivities (arXiv 2502.12420). Two variants.

s_m^l is a model's sensitivity Σ |θ · ∂L/∂θ| of layer l, and s_m the vector over layers, scaled to length 1. K is the
number of models, the base (the quick model) included; ``scale`` is α, ``temperature`` is T.

``released``, what the authors' code for long-to-short merging computes (October 2025; one slow model r, base q):

    (c_q, c_r) = 2 · softmax([(1 − α) · s_q, α · s_r] / T)              per layer
    θ = c_q · θ_q + c_r · α · (θ_r − θ_q)                                in the layers
    θ = θ_q + α · (θ_r − θ_q)                                            outside: embeddings, final norm, output layer

α enters twice, and c_q multiplies the base's weights themselves: with α = 0.7 and T = 2 it is nearly task arithmetic
over a base shrunk by some 2 %. The quick model is calibrated on slow answers and the slow one on quick answers, as the
L2S paper has it, unless ``answer`` names one kind for both. That code computes in float32 and writes it; so does the
recipe ``config/recipes/sens.yaml``.

``published``, the Sens-Merging paper: task-specific times cross-task sensitivity,

    σ_m^l = softmax over models (s_m^l · τ_m / T),   θ = θ_base + α · Σ_m K · σ_m^l · (θ_m − θ_base)

τ_m is how far the other models' logits are from model m's on m's own kind of answer (quick answers for the base, slow
ones for slow models), Σ_n g_nm, scaled to sum 1 over the models. Each model is calibrated on its own kind of answer,
unless ``answer`` names one for all.

ASSUME(sens_variant): the L2S paper's rows are ``released``. Our reading of ``published``, whose text was not at hand:
τ is normalised to sum 1, and a larger distance gives a larger weight, as in a third party's implementation; α
multiplies the sum as task arithmetic's λ; tensors outside the layers take the mean of s_m over the layers.

``fidelity: released`` therefore has the arithmetic of ``exact``, with either formula; what differs is the base's config
and, where the base's embeddings are tied, that the slow model's output layer is dropped.

How the two differ on the demo's pair is in the README's table.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, isfinite, sqrt
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from l2s.checkpoints.tensor_names import layer_of
from l2s.contracts.calibration_data import Answer
from l2s.errors import UserError
from l2s.merging.engine.contract import CalibrationRequest, Chunk, Method, Tally
from l2s.merging.engine.scaling import Number

if TYPE_CHECKING:
    from torch import Tensor

    from l2s.contracts.calibrations import Calibration

Coefficients = dict[str, tuple[float, list[float]]]
"""By tensor name: the factor on the base's weights, and the factor on each task vector."""
Layers = dict[int | None, list[float]]
"""By layer (None: outside the layers): a number for each model, the base first."""


class Sens(Method):
    """Weights per layer from sensitivities."""

    variant: Literal["released", "published"] = Field(
        "released", description="whose formula, see the module; released: one slow model"
    )
    scale: Number = Field(0.7, description="α: factor on the task vectors")
    temperature: float = Field(2.0, gt=0, description="T: divides the logits of the softmax")
    calibration_data: str = Field("s1k", description="calibration data: entry of config/calibration_data")
    answer: Answer | None = Field(
        None,
        description="which of its answers all models read; absent: as the variant has it, the other kind's (released) "
        "or each its own kind's (published)",
    )

    @property
    def max_models(self) -> int | None:
        """One slow model, as in the released code; as published, any number."""
        return 1 if self.variant == "released" else None

    @property
    def moves_base(self) -> str:
        """The released formula also scales the base's weights."""
        return "the released formula also shrinks the base; variant: published does not" if self.max_models else ""

    def calibrations_needed(self, models: int) -> dict[str, CalibrationRequest]:
        """Ask for every model's sensitivities and, as published, for the distances between their logits."""
        if self.variant == "released":
            return {
                "quick": CalibrationRequest("sensitivities", (None,), self.calibration_data, self.answer or "slow"),
                "slow_1": CalibrationRequest("sensitivities", (0,), self.calibration_data, self.answer or "quick"),
            }
        everyone: dict[str, int | None] = {"quick": None, **{f"slow_{n + 1}": n for n in range(models)}}
        asked = {}
        for name, model in everyone.items():
            answer = self.answer or ("quick" if model is None else "slow")
            asked[name] = CalibrationRequest("sensitivities", (model,), self.calibration_data, answer)
            for other_name, other in everyone.items():
                if other != model:
                    asked[f"{other_name}_from_{name}"] = CalibrationRequest(
                        "logit_distances", (model, other), self.calibration_data, answer
                    )
        return asked

    def prepare(self, calibrations: Mapping[str, Calibration], shapes: Mapping[str, tuple[int, ...]]) -> Coefficients:
        """Return the coefficients of every tensor."""
        names = [name for name, read in calibrations.items() if read.manifest.kind == "sensitivities"]
        layers = sorted({layer for layer in map(layer_of, shapes) if layer is not None})
        profiles = [_profile(calibrations[name], layers) for name in names]
        if self.variant == "released":
            by_layer = self._released(profiles, layers)
        else:
            by_layer = self._published(profiles, _cross(calibrations, names), layers)
        for layer, (base, *models) in by_layer.items():
            shown = ", ".join(f"{value:.4f}" for value in models)
            print(f"coefficients of {'layer ' + str(layer) if layer is not None else 'the rest'}: {base:.4f}, {shown}")
        return {name: (by_layer[layer_of(name)][0], by_layer[layer_of(name)][1:]) for name in shapes}

    def _released(self, profiles: list[list[float]], layers: list[int]) -> Layers:
        coefficients: Layers = {None: [1.0, self.scale]}
        for layer, of_quick, of_slow in zip(layers, *profiles, strict=True):
            logits = [(1 - self.scale) * of_quick / self.temperature, self.scale * of_slow / self.temperature]
            quick, slow = (2 * share for share in _softmax(logits))
            coefficients[layer] = [quick, slow * self.scale]
        return coefficients

    def _published(self, profiles: list[list[float]], cross: list[float], layers: list[int]) -> Layers:
        rows: dict[int | None, list[float]] = dict(zip(layers, map(list, zip(*profiles, strict=True)), strict=True))
        rows[None] = [sum(profile) / len(profile) for profile in profiles]
        coefficients: Layers = {}
        for layer, own in rows.items():
            shares = _softmax([s * tau / self.temperature for s, tau in zip(own, cross, strict=True)])
            coefficients[layer] = [1.0, *(self.scale * len(own) * share for share in shares[1:])]
        return coefficients

    def merge(self, chunk: Chunk, tally: Tally | None) -> Tensor:
        """Return c_base · base + Σ c_m · task vector m, float32 [n]."""
        of_base, of_vectors = chunk.prepared[chunk.name]
        vectors = self.task_vectors(chunk)
        merged = chunk.base.mul_(of_base)
        for vector, coefficient in zip(vectors, of_vectors, strict=True):
            merged.add_(vector.mul_(coefficient))
        return merged


def _profile(calibration: Calibration, layers: list[int]) -> list[float]:
    """Return a model's sensitivity of each layer, scaled to length 1 over the layers."""
    sums = dict.fromkeys(layers, 0.0)
    seen: set[int] = set()
    for row in calibration.data.to_pylist():
        if row["layer"] is not None:
            sums[row["layer"]] = sums.get(row["layer"], 0.0) + row["sensitivity"]
            seen.add(row["layer"])
    if seen != set(layers):
        wrong = min(seen ^ set(layers))
        raise UserError(f"{calibration.path}: layer {wrong} is in the sensitivities or in the model, not in both")
    length = sqrt(sum(value * value for value in sums.values()))
    if not (isfinite(length) and length > 0):
        raise UserError(f"{calibration.path}: the sensitivities have length {length}; measure them again")
    return [sums[layer] / length for layer in layers]


def _cross(calibrations: Mapping[str, Calibration], names: list[str]) -> list[float]:
    """Return τ of each model: how far the others are on its own answers, scaled to sum 1."""
    sums = []
    for name in names:
        distances = [read.data for key, read in calibrations.items() if key.endswith(f"_from_{name}")]
        sums.append(sum(sum(table["distance"].to_pylist()) / len(table) for table in distances))
    total = sum(sums)
    if not (isfinite(total) and total > 0):
        raise UserError(f"method 'sens': the models' logit distances add up to {total}; are they the same model?")
    return [value / total for value in sums]


def _softmax(logits: list[float]) -> list[float]:
    largest = max(logits)
    powers = [exp(value - largest) for value in logits]
    return [power / sum(powers) for power in powers]
