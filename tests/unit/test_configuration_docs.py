"""docs/configuration.md and docs/schemas/ are what the models say, and editors find the schema of every entry."""

import json
import re

import jsonschema
import pytest
import yaml
from support import ROOT

from l2s.config import read_values
from l2s.reference.documents import documents
from l2s.reference.json_schemas import json_schemas

CONFIG, DOCS = ROOT / "config", ROOT / "docs"
SCHEMAS = json_schemas()
ENTRIES = sorted(path for name in SCHEMAS for path in (CONFIG / name).glob("*.yaml"))
TIES = {"method": "ties", "scale": 1.0, "keep_fraction": 0.2}


def valid(name, values):
    return jsonschema.Draft202012Validator(SCHEMAS[name]).is_valid(values)


def test_docs_are_up_to_date():
    stale = [name for name, text in documents().items() if (DOCS / name).read_text(encoding="utf-8") != text]
    assert stale == [], "run 'make docs'"
    assert {path.stem for path in (DOCS / "schemas").iterdir()} == set(SCHEMAS)


def test_every_key_of_every_model_has_a_description():
    models = [model for schema in SCHEMAS.values() for model in schema["$defs"].values()]
    described = [value.get("description") for model in models for value in model.get("properties", {}).values()]
    assert len(described) > 100
    assert all(described)


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_is_a_schema_and_refuses_unknown_keys(name):
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    path = next(iter(sorted((CONFIG / name).glob("*.yaml"))), CONFIG / f"{name}.yaml")
    assert valid(name, read_values(path))
    assert not valid(name, {**read_values(path), "knwon": 1})


def test_every_entry_names_its_schema_and_fulfils_it():
    assert len(ENTRIES) > 80
    for path in ENTRIES:
        check_schema(path, path.parent.name, "../..")
    # Whatever else lies at the top is somebody's configuration.
    for path in CONFIG.glob("*.yaml"):
        check_schema(path, path.stem if path.stem in ("estimates", "assumptions") else "config", "..")


def test_entries_that_contributing_shows_fulfil_their_schemas():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown = re.findall(r"```yaml\n(# yaml-language-server: \S+/(\w+)\.json\n.*?)```", text, re.DOTALL)
    assert len(shown) == text.count("```yaml") >= 2
    for entry, schema in shown:
        assert valid(schema, yaml.safe_load(entry)), entry


def check_schema(path, schema, root):
    text = path.read_text(encoding="utf-8")
    wanted = f"# yaml-language-server: $schema={root}/docs/schemas/{schema}.json"
    assert text.splitlines()[0] == wanted, f"{path}: must begin with the line {wanted!r}, for editors"
    assert valid(schema, yaml.safe_load(text)), path


@pytest.mark.parametrize(
    ("folder", "values", "fits"),
    [
        ("recipes", TIES, True),
        ("recipes", {**TIES, "omega": 0.4}, False),
        ("recipes", {**TIES, "keep_fraction": 1.5}, False),
        ("recipes", {**TIES, "scale": {"*.mlp.*": 3}}, False),
        ("recipes", {"scale": 1.0}, False),
        ("recipes", {"extends": "ties", "scale": 1.0}, True),
        ("recipes", {"method": "aim", "of": TIES}, True),
        ("recipes", {"method": "aim", "of": {"method": "aim", "of": TIES}}, True),
        ("recipes", {"method": "aim", "of": {**TIES, "omega": 0.4}}, False),
        ("recipes", {**TIES, "base": "a"}, False),
        ("studies", {"kind": "group", "title": "t", "studies": ["a"]}, True),
        ("studies", {"kind": "group", "title": "t", "studies": ["a"], "cell": "length"}, False),
        ("pairs", {"quick": "a"}, False),
        ("pairs", {"extends": "b", "quick": "a"}, True),
    ],
)
def test_schemas_follow_methods_kinds_and_extends(folder, values, fits):
    assert valid(folder, json.loads(json.dumps(values))) is fits
