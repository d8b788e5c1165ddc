"""Recipes: a method with all its hyper-parameters, the models it merges, and how the result is written."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, SerializeAsAny, model_validator

from l2s.config import StrictModel, validate
from l2s.errors import UserError
from l2s.merging.engine.contract import Method
from l2s.methods import method_class, method_names

STAGE = "merging"


class Inputs(StrictModel):
    """What a recipe merges, and what of the result is not decided by the method."""

    base: str | None = Field(None, description="what task vectors are taken from: a local directory or repo@revision")
    models: tuple[str, ...] = Field(
        min_length=1, description="the slow models for task-vector methods, all models to be averaged for average"
    )
    dtype: Literal["bfloat16", "float32"] = Field("bfloat16", description="dtype of the merged weights")
    tokenizer: Literal["quick", "slow"] = Field(
        "quick",
        description="whose tokenizer, special-token ids and generation config the result has: quick is the base "
        "(without one, the first model), slow the last model",
    )
    fidelity: Literal["exact", "released"] = Field(
        "exact", description="released: what the paper's released code computes, see engine/plan.py; for comparison"
    )
    max_shard_gb: float = Field(5.0, gt=0, le=100_000, description="size of a weight file in 10^9 bytes, at most")


class Recipe(StrictModel):
    """A resolved recipe: every hyper-parameter spelled out."""

    method: Method
    inputs: Inputs

    @model_validator(mode="after")
    def _base_as_needed(self) -> Recipe:
        if self.method.needs_base and self.inputs.base is None:
            raise ValueError(f"method '{self.method.method}' needs 'base'")
        if not self.method.needs_base and self.inputs.base is not None:
            raise ValueError(
                f"method '{self.method.method}' has no base: put all models into 'models', the quick one first"
            )
        return self

    @model_validator(mode="after")
    def _fits_the_method(self) -> Recipe:
        if wrong := _wrong_number(self.method, len(self.inputs.models)):
            raise ValueError(wrong)
        return self

    @property
    def released(self) -> bool:
        """Whether the released code is to be reproduced."""
        return self.inputs.fidelity == "released"

    @property
    def in_bfloat16(self) -> bool:
        """Whether the method computes in bfloat16, as the released code does, instead of in float32."""
        return self.released and self.method.released_in_bfloat16

    def resolved(self) -> dict[str, Any]:
        """Return the recipe as one flat mapping that ``parse_recipe`` reads back."""
        return {**self.method.model_dump(mode="json"), **self.inputs.model_dump(mode="json")}


def _wrong_number(method: Method, given: int) -> str | None:
    """Return what is wrong with the number of a recipe's models, None if the method allows it."""
    least, most = method.min_models, method.max_models
    if least <= given and (most is None or given <= most):
        return None
    allowed = f"{least} or more" if most is None else f"{least}" if least == most else f"{least} to {most}"
    noun = "model" if (least, most) == (1, 1) else "models"
    beside, more = (" beside the base", "") if method.needs_base else ("", ": it takes all models, the quick one first")
    remedy = f"give more of them{more}" if given < least else "take some out, or use another method"
    return f"method '{method.method}' merges {allowed} {noun}{beside}, but 'models' lists {given}; {remedy}"


def parse_recipe(values: Any, where: str) -> Recipe:
    """Read a recipe from a flat mapping: method, its hyper-parameters, and the keys of Inputs.

    Raises:
        UserError: Names ``where``, the key, and what is accepted.
    """
    if not isinstance(values, dict):
        raise UserError(f"{where}: expected a mapping with 'method' and its hyper-parameters")
    own = {key: values[key] for key in Inputs.model_fields if key in values}
    method = parse_method({key: value for key, value in values.items() if key not in own}, where)
    inputs = validate(Inputs, own, where)
    return validate(Recipe, {"method": method, "inputs": inputs}, where)


def parse_method(values: dict[str, Any], where: str) -> Method:
    """Read a method with its hyper-parameters; ``method`` names its module."""
    if "method" not in values:
        raise UserError(f"{where}: key 'method' is missing; the methods are {', '.join(method_names(STAGE))}")
    return validate(method_class(STAGE, Method, values["method"], where), values, where)


def _parse_nested(values: Any) -> Any:
    """Read a recipe inside a recipe; what is wrong with it is reported as a fault of its key."""
    if not isinstance(values, dict):
        return values
    try:
        return parse_method(values, "nested recipe")
    except UserError as error:
        raise ValueError(str(error)) from None


# A method with its hyper-parameters inside another one's.
Nested = Annotated[SerializeAsAny[Method], BeforeValidator(_parse_nested)]


def method_modules(method: Method) -> list[str]:
    """Return the modules of a method and of the methods nested in it: what a merge's code digest must cover."""
    modules = {f"l2s.merging.{method.method}"}
    for name in type(method).model_fields:
        nested = getattr(method, name)
        if isinstance(nested, Method):
            modules.update(method_modules(nested))
    return sorted(modules)


def hyper_parameters(method: BaseModel) -> dict[str, Any]:
    """Return a method's hyper-parameters by name, sorted, without its own name; nested methods as mappings."""
    return {key: value for key, value in sorted(method.model_dump(mode="json").items()) if key != "method"}
