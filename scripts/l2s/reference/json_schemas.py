"""JSON Schemas of everything in ``config/``, made from the pydantic models, so that editors complete and check it."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

from pydantic import BaseModel, Field, create_model
from pydantic.json_schema import models_json_schema

from l2s.checkpoints.model_entry import ModelEntry
from l2s.config import EXTENDS
from l2s.decoding.settings import DecodingEntry, PromptEntry
from l2s.experiment.assumptions import Assumptions
from l2s.experiment.pair_entry import PairEntry
from l2s.experiment.registry import STUDY_KINDS
from l2s.experiment.schema import Folder, MainConfig
from l2s.experiment.study import Study
from l2s.merging.engine.contract import Method
from l2s.merging.engine.recipe import Inputs
from l2s.methods import method_class, method_names
from l2s.modules import class_in, module_names
from l2s.plan.estimates import Estimates
from l2s.sources.benchmarks import BenchmarkEntry
from l2s.sources.calibration_data import CalibrationDataEntry
from l2s.sources.examples import ExamplesEntry
from l2s.sources.imports import ImportEntry
from l2s.training.engine.contract import Training

GIVEN_BY_PAIRS = ("base", "models")
EXTENDS_KEY = {"type": "string", "description": "another entry of this folder, whose keys this one's replace"}
# What pydantic calls a constraint on one type of several, and what JSON Schema calls it.
CONSTRAINTS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}


def models_of(folder: Folder) -> list[type[BaseModel]]:
    """Return the models of a folder's entries: one, or one for each method or kind of study."""
    if folder == "recipes":
        return [*merging_recipes(), *training_recipes()]
    if folder == "studies":
        return [class_in(f"{STUDY_KINDS}.{kind}", Study) for kind in module_names(STUDY_KINDS)]
    one = {
        "models": ModelEntry,
        "pairs": PairEntry,
        "benchmarks": BenchmarkEntry,
        "examples": ExamplesEntry,
        "calibration_data": CalibrationDataEntry,
        "prompts": PromptEntry,
        "decoding": DecodingEntry,
        "imports": ImportEntry,
    }
    return [one[folder]]


def merging_recipes() -> list[type[BaseModel]]:
    """Return a model for each merging method's recipe: its hyper-parameters, and what the pair leaves open."""
    inputs = {name: field for name, field in Inputs.model_fields.items() if name not in GIVEN_BY_PAIRS}
    own = {name: (field.annotation, field) for name, field in inputs.items()}
    return [_recipe("merging", Method, name, "", own) for name in method_names("merging")]


def training_recipes() -> list[type[BaseModel]]:
    """Return a model for each training method's recipe."""
    return [_recipe("training", Training, name, "", {}) for name in method_names("training")]


def json_schemas() -> dict[str, dict[str, Any]]:
    """Return a JSON Schema for the entries of each folder, and for the single files of ``config/``, by name."""
    schemas = {folder: _schema(models_of(folder)) for folder in get_args(Folder)}
    for schema in schemas.values():
        for name in _variants(schema):
            _allow_extends(schema["$defs"][name])
    # A method inside another one's recipe.
    nested = [_recipe("merging", Method, name, "Nested", {}) for name in method_names("merging")]
    choices = _schema(nested)
    schemas["recipes"]["$defs"].update(choices["$defs"], Method={"anyOf": choices["anyOf"]})
    alone = {"config": MainConfig, "estimates": Estimates, "assumptions": Assumptions}
    schemas |= {name: _schema([model]) for name, model in alone.items()}
    return schemas


def _recipe(
    stage: str, base: type[BaseModel], name: str, prefix: str, more: dict[str, tuple[Any, Any]]
) -> type[BaseModel]:
    method = method_class(stage, base, name, "reference")
    fixed = (Literal[name], Field(description=base.model_fields["method"].description))
    return create_model(prefix + method.__name__, __base__=method, __doc__=method.__doc__, method=fixed, **more)


def _schema(models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    """Return one schema that is fulfilled by what one of the models accepts."""
    _, schema = models_json_schema([(model, "validation") for model in models])
    _clean(schema)
    choices = [{"$ref": f"#/$defs/{model.__name__}"} for model in models]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "anyOf": choices, **schema}


def _variants(schema: dict[str, Any]) -> list[str]:
    return [choice["$ref"].rsplit("/", 1)[1] for choice in schema["anyOf"]]


def _clean(node: Any) -> None:
    """Give constraints their names in JSON Schema, and take away titles, which only repeat the keys."""
    if isinstance(node, dict):
        for name, known in CONSTRAINTS.items():
            if isinstance(node.get(name), int | float):
                node[known] = node.pop(name)
        if isinstance(node.get("title"), str):
            del node["title"]
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _clean(child)


def _allow_extends(definition: dict[str, Any]) -> None:
    """Let an entry extend another one, which may then have the keys that are required."""
    definition["properties"] = {EXTENDS: EXTENDS_KEY, **definition["properties"]}
    required = definition.pop("required", [])
    if required:
        definition["anyOf"] = [{"required": [EXTENDS]}, {"required": required}]
