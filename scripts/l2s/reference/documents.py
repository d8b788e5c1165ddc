"""The configuration reference, ``docs/configuration.md``: every key of everything in ``config/``, from JSON Schemas."""

import json
from collections.abc import Iterator
from inspect import cleandoc
from typing import Any, get_args

from l2s.config import EXTENDS
from l2s.experiment.schema import Folder
from l2s.reference.json_schemas import json_schemas, merging_recipes, models_of, training_recipes

INTRODUCTION = """\
# Configuration

Made by `make docs` from the models that check every file; do not edit it.

Everything in `config/` is an entry: a small YAML file whose name, without suffix, is what other entries call it.
`config/config.yaml` is the configuration at the top. A file given with `--configfile` takes its place as a whole, and
keys given with `--config` are put on top of either. Unknown keys are errors that name the file.

- **`extends`**: an entry may say `extends: <another entry of its folder>`. It then has that entry's keys, and its own
  keys replace them, each as a whole: a mapping is replaced, not merged. `null` takes an inherited key away where it may
  be absent.
- **`sha256`** of benchmarks, calibration data and few-shot examples may be missing. A run then warns that they are
  unpinned, in the job's log and on the terminal, and gives the line to paste; a wrong one stops the run.
- **Stand-ins**: `stand_ins` of the configuration names entries that take the places of others wherever these are named.
  `config/rehearsal.yaml` is the whole paper with tiny models in place of the real ones.
- **Editors** that use yaml-language-server complete and check keys: each file's first line names its JSON Schema in
  `docs/schemas/`.
"""
RANGES = {"exclusiveMinimum": "> {:g}", "minimum": "≥ {:g}", "exclusiveMaximum": "< {:g}", "maximum": "≤ {:g}"}
TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`"}


def documents() -> dict[str, str]:
    """Return what ``docs/`` holds about the configuration: the texts of files, by their paths in it."""
    schemas = json_schemas()
    files = {f"schemas/{name}.json": f"{json.dumps(schema, indent=1)}\n" for name, schema in schemas.items()}
    return {"configuration.md": "\n".join(_reference(schemas)), **files}


def _reference(schemas: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield INTRODUCTION
    seen: set[str] = set()
    yield "## The configuration\n\n`config/config.yaml`, or the file given with `--configfile`.\n"
    yield from _part(schemas["config"], ["MainConfig"], seen)
    for folder in get_args(Folder):
        yield f"## {folder}\n\n`config/{folder}/<name>.yaml`\n"
        if folder == "recipes":
            yield "### Merging methods\n"
            yield from _part(schemas[folder], [model.__name__ for model in merging_recipes()], seen)
            yield "### Training methods\n"
            yield from _part(schemas[folder], [model.__name__ for model in training_recipes()], seen)
        else:
            yield from _part(schemas[folder], [model.__name__ for model in models_of(folder)], seen)
    yield "## Estimates\n\n`config/estimates.yaml`\n"
    yield from _part(schemas["estimates"], ["Estimates"], seen)
    yield "## Assumptions\n\n`config/assumptions.yaml`\n"
    yield from _part(schemas["assumptions"], ["Assumptions"], seen)


def _part(schema: dict[str, Any], names: list[str], seen: set[str]) -> Iterator[str]:
    """Describe the models of a folder: what all have in common, what each has beside, and models nested in them."""
    definitions = schema["$defs"]
    models = [definitions[name] for name in names]
    common = [
        key
        for key, value in models[0]["properties"].items()
        if key != EXTENDS and all(model["properties"].get(key) == value for model in models)
    ]
    if len(models) > 1:
        yield "Keys of all of them:\n"
        yield _table(models[0], common)
    for model in models:
        own = [key for key in model["properties"] if len(models) == 1 or key not in common]
        fixed = [value["const"] for value in model["properties"].values() if "const" in value]
        yield f"#### {fixed[0]}\n\n{_text(model)}\n" if fixed else f"{_text(model)}\n"
        yield _table(model, [key for key in own if key != EXTENDS])
    for name, model in definitions.items():
        nested = "properties" in model and name not in names and name in _referred(models, definitions)
        if nested and name not in seen:
            seen.add(name)
            yield f"### {name}\n\n{_text(model)}\n"
            yield _table(model, list(model["properties"]))


def _referred(node: Any, definitions: dict[str, Any]) -> set[str]:
    """Return the names of the models that a schema refers to, and those that these refer to; not nested methods."""
    found: set[str] = set()
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        if isinstance(child, str) and child.startswith("#/$defs/") and "anyOf" not in definitions[_name(child)]:
            found |= {_name(child), *_referred(definitions[_name(child)], definitions)}
        found |= _referred(child, definitions)
    return found


def _name(reference: str) -> str:
    return reference.rsplit("/", 1)[1]


def _text(model: dict[str, Any]) -> str:
    """Return the first paragraph of what a model says about itself."""
    return cleandoc(model["description"]).split("\n\n")[0].replace("\n", " ").replace("``", "`")


def _table(model: dict[str, Any], keys: list[str]) -> str:
    required = {key for choice in [model, *model.get("anyOf", [])] for key in choice.get("required", [])}
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key in keys:
        value = model["properties"][key]
        default = "required" if key in required else _default(value)
        cells = [f"`{key}`", _type(value), default, value["description"].replace("<", "&lt;")]
        lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join([*lines, ""])


def _default(value: dict[str, Any]) -> str:
    default = value.get("default")
    if default is None:
        return ""
    return "its keys' defaults" if "$ref" in value else f"`{json.dumps(default, ensure_ascii=False)}`"


def _type(value: dict[str, Any]) -> str:
    """Say in words what a key's value may be."""
    if "$ref" in value:
        name = _name(value["$ref"])
        return "a method with its hyper-parameters" if name == "Method" else f"[{name}](#{name.lower()})"
    if "anyOf" in value:
        return " or ".join(_type(choice) for choice in value["anyOf"] if choice.get("type") != "null")
    if "const" in value or "enum" in value:
        return " or ".join(f"`{choice}`" for choice in value.get("enum", [value.get("const")]))
    if value.get("type") == "array":
        return f"list of: {_type(value['items'])}"
    if value.get("type") == "object":
        of = value.get("additionalProperties")
        return f"mapping to: {_type(of)}" if isinstance(of, dict) and of else "mapping"
    ranges = [text.format(value[name]) for name, text in RANGES.items() if name in value]
    return " ".join([TYPES[value["type"]], " and ".join(ranges)]).strip()
