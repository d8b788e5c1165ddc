"""From a recipe as a study asks for it to a merged checkpoint: its models' sources, its path, its name in tables."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from l2s.calibration.kinds import kind_module
from l2s.config import validate
from l2s.errors import UserError
from l2s.experiment.pair_entry import PairEntry
from l2s.experiment.registry import Registry
from l2s.files import digest_of
from l2s.merging.engine.contract import CalibrationRequest, Method
from l2s.merging.engine.recipe import Inputs, Recipe, hyper_parameters, method_modules, parse_method
from l2s.merging.engine.scaling import OTHERS


class Calibration(NamedTuple):
    """A calibration that a merge reads: its kind, the entries of the models it was measured on, data and answer."""

    kind: str
    models: tuple[str, ...]
    calibration_data: str
    answer: str

    @property
    def name(self) -> str:
        """Where it lies under ``calibrations/``, without suffix."""
        return "/".join([self.kind, *self.models, f"{self.calibration_data}-{self.answer}"])


@dataclass(frozen=True)
class Merge:
    """A merged checkpoint: its recipe with sources in place of entries, which model entry each source is, and the
    calibrations that the method reads, by the names that it gives them."""

    recipe: Recipe
    models: dict[str, str]
    calibrations: dict[str, Calibration] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What tables call it: its method and variant, its numbers, and whatever else is not the default."""
        parts = [_method_and_variant(self.recipe.method), *_label_parts(self.recipe.method)]
        own = self.recipe.inputs.model_dump(exclude={"base", "models"})
        parts += [f"{key} {value}" for key, value in own.items() if value != Inputs.model_fields[key].default]
        return ", ".join(parts)

    @property
    def folder(self) -> str:
        """The last part of its path: the hyper-parameters that are set, and the digest of the resolved recipe."""
        numbers = hyper_parameters(self.recipe.method)
        shown = {
            key: value.get("method", "by-tensor") if isinstance(value, dict) else value
            for key, value in numbers.items()
        }
        parts = [f"{key}={value}" for key, value in shown.items() if value is not None]
        return f"{'+'.join(parts) or 'plain'}~{digest_of(self.recipe.resolved())[:8]}"

    @property
    def modules(self) -> list[str]:
        """The modules of the recipe's methods."""
        return method_modules(self.recipe.method)


def resolve(pair_name: str, pair: PairEntry, values: Any, where: str, registry: Registry) -> Merge:
    """Complete a recipe with a pair's models.

    Raises:
        UserError: The recipe is malformed, or needs what the pair lacks.
    """
    if not isinstance(values, dict):
        raise UserError(f"{where}: expected a mapping with 'method' and its hyper-parameters")
    for key in ("base", "models"):
        if key in values:
            raise UserError(f"{where}: key '{key}' is given by the pair; only a recipe for merge.py names it")
    own = {key: values[key] for key in Inputs.model_fields if key in values}
    method = parse_method({key: value for key, value in values.items() if key not in own}, where)
    base = pair.base_model if method.needs_base else None
    if method.needs_base and base is None:
        raise UserError(f"{where}: method '{method.method}' needs a base, and pair '{pair_name}' has none")
    merged = [name for name in (pair.quick, *pair.slow) if name] if base is None else list(pair.slow)
    sources = {name: registry.model_source(name) for name in (base, *merged) if name}
    of_pair = {"base": base and sources[base], "models": [sources[name] for name in merged]}
    inputs = validate(Inputs, {**own, **of_pair}, where)
    recipe = validate(Recipe, {"method": method, "inputs": inputs}, where)
    calibrations = {
        name: _calibration(asked, base, merged, where, registry)
        for name, asked in method.calibrations_needed(len(merged)).items()
    }
    return Merge(recipe, {source: name for name, source in reversed(sources.items())}, calibrations)


def _calibration(
    asked: CalibrationRequest, base: str | None, merged: list[str], where: str, registry: Registry
) -> Calibration:
    kind_module(asked.kind, where)
    registry.calibration_data(asked.calibration_data, where)
    models = tuple(base if model is None else merged[model] for model in asked.models)
    for model in models:
        registry.check_calibrated(model, where)
    return Calibration(asked.kind, models, asked.calibration_data, asked.answer)


def _method_and_variant(method: Method) -> str:
    """Return whose formula it is along with the method, as variants of one method are as different as two methods."""
    return " ".join([method.method, *([method.variant] if hasattr(method, "variant") else [])])


def _label_parts(method: Method) -> Iterator[str]:
    for key, value in hyper_parameters(method).items():
        nested = getattr(method, key)
        if isinstance(nested, Method):
            yield f"{key} {' '.join([_method_and_variant(nested), *_label_parts(nested)])}"
        elif key == "variant":
            continue
        elif isinstance(value, float):
            yield f"{key} {value:g}"
        elif value != type(method).model_fields[key].default:
            yield f"{key} {_by_tensor(value) if isinstance(value, dict) else value}"


def _by_tensor(scales: dict[str, float]) -> str:
    """Return a scale by tensor with its numbers, e.g. ``mlp 0.8, others 0.7``: two of them are two lines of a table."""
    others_last = sorted(scales.items(), key=lambda item: item[0] == OTHERS)
    return ", ".join(f"{_tensors(pattern)} {value:g}" for pattern, value in others_last)


def _tensors(pattern: str) -> str:
    """Return which tensors a pattern names: of ``model.layers.*.mlp.*`` mlp, of ``model.layers.{0-9}.*`` layers 0-9."""
    short = pattern.removeprefix("model.").replace("layers.*.", "").replace("{", "").replace("}", "")
    return " ".join(word for word in short.split(".") if word != "*") or "others"
