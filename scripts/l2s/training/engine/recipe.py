"""Recipes of trainings: a method with all its hyper-parameters, and the model that it trains."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from l2s.config import StrictModel, validate
from l2s.errors import UserError
from l2s.methods import method_class, method_names
from l2s.training.engine.contract import Training

STAGE = "training"


class TrainingRecipe(StrictModel):
    """A resolved recipe: every hyper-parameter spelled out."""

    method: Training
    model: str = Field(description="what is trained: a local directory or repo@revision")

    def resolved(self) -> dict[str, Any]:
        """Return the recipe as one flat mapping that ``parse_training`` reads back."""
        return {**self.method.model_dump(mode="json"), "model": self.model}

    @property
    def module(self) -> str:
        """The method's module, which is loaded by name."""
        return f"l2s.{STAGE}.{self.method.method}"


def parse_training(values: Any, where: str) -> TrainingRecipe:
    """Read a recipe from a flat mapping: method, its hyper-parameters, model.

    Raises:
        UserError: Names ``where``, the key, and what is accepted.
    """
    if not isinstance(values, dict) or "method" not in values:
        raise UserError(f"{where}: key 'method' is missing; the methods are {', '.join(method_names(STAGE))}")
    own = {key: value for key, value in values.items() if key != "model"}
    method = validate(method_class(STAGE, Training, values["method"], where), own, where)
    return validate(
        TrainingRecipe, {"method": method, **{key: values[key] for key in ("model",) if key in values}}, where
    )
