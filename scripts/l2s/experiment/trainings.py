"""From a training's recipe as a study asks for it to a trained checkpoint: the model, the prompt, its path and name."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from l2s.config import suggestion
from l2s.decoding.settings import PromptEntry
from l2s.errors import UserError
from l2s.experiment.pair_entry import PairEntry
from l2s.experiment.registry import Registry
from l2s.files import digest_of
from l2s.methods import method_names
from l2s.training.engine.recipe import TrainingRecipe, parse_training

# Always given, and rarely what tells two trainings apart.
NOT_SHOWN = {"method", "prompt", "answer_prefix", "device", "dtype"}


@dataclass(frozen=True)
class TrainedCheckpoint:
    """A trained checkpoint: its recipe with a source as the model, which entry that is, and the prompt's entry."""

    recipe: TrainingRecipe
    model: str
    prompt: PromptEntry

    @property
    def label(self) -> str:
        """What tables call it: its method and its calibration data, and whatever else is not the default."""
        return ", ".join([self.recipe.method.method, *(f"{key} {value}" for key, value in self._distinguishing())])

    @property
    def folder(self) -> str:
        """The last part of its path: the same, and the digest of the resolved recipe."""
        parts = [f"{key}={value}" for key, value in self._distinguishing()]
        return f"{'+'.join(parts)}~{digest_of(self.recipe.resolved())[:8]}"

    def _distinguishing(self) -> Iterator[tuple[str, str]]:
        values = self.recipe.method.model_dump(exclude_defaults=True, exclude=NOT_SHOWN)
        for key, value in sorted(values.items()):
            yield (
                key,
                f"{value:g}" if isinstance(value, float) else "-".join(value) if isinstance(value, tuple) else value,
            )


def is_training(values: Any, where: str) -> bool:
    """Say whether a recipe's method trains; one that neither trains nor merges is a UserError."""
    method = values.get("method") if isinstance(values, dict) else None
    training, known = method_names("training"), method_names("training") + method_names("merging")
    if method is not None and method not in known:
        raise UserError(f"{where}: unknown method '{method}'{suggestion(str(method), known, 'the methods are')}")
    return method in training


def resolve_training(
    pair_name: str, pair: PairEntry, values: dict[str, Any], where: str, registry: Registry
) -> TrainedCheckpoint:
    """Complete a training's recipe with a pair's slow model.

    Raises:
        UserError: The recipe is malformed, names an entry that does not exist, or the pair has several slow models.
    """
    if "model" in values:
        raise UserError(f"{where}: key 'model' is given by the pair: its slow model is trained")
    if len(pair.slow) > 1:
        raise UserError(
            f"{where}: method '{values['method']}' trains one slow model, and pair '{pair_name}' has several"
        )
    (model,) = pair.slow
    recipe = parse_training({**values, "model": registry.model_source(model)}, where)
    registry.calibration_data(recipe.method.calibration_data, where)
    return TrainedCheckpoint(recipe, model, registry.prompt(recipe.method.prompt, where))
