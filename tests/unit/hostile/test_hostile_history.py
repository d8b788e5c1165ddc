"""Results whose history is gone or is another one: what they say of themselves is compared with what is there."""

import json

import pytest
from support import DEMO

from l2s.checkpoints.manifest import Manifest, Parent, write_manifest
from l2s.checkpoints.weights import describe_model
from l2s.crate.outdated import outdated
from l2s.decoding.engines.choice import engine_identity
from l2s.decoding.settings import DecodingEntry

SETTINGS = {"prompt": "demo", "max_new_tokens": 9, "engine": "transformers", "device": "cpu", "dtype": "float32"}
IDENTITY = engine_identity(DecodingEntry(**SETTINGS))


@pytest.fixture
def results(tmp_path):
    """A results folder with two models, their merge, a calibration and responses, all of which belong together."""
    parents = []
    for name in ("quick", "slow"):
        manifest = describe_model(DEMO / name, f"models/{name}")
        write_manifest(manifest, tmp_path / "checkpoints" / "models" / name / "manifest.json")
        parents.append(Parent(used_as="model", source=f"models/{name}", content_id=manifest.content_id))
    merged = Manifest(kind="merged", content_id="c" * 64, recipe={}, parents=tuple(parents), tensors={}, files={})
    write_manifest(merged, tmp_path / "checkpoints" / "demo" / "ties" / "x~1" / "manifest.json")
    write(tmp_path / "calibrations" / "activations" / "quick" / "demo-quick.json", models=[parents[0].content_id])
    said = {"content_id": "c" * 64, "settings": {"engine": "transformers", "engine_identity": IDENTITY}}
    write(tmp_path / "responses" / "demo" / "ties" / "x~1" / "demo.json", **said)
    return tmp_path


def write(path, **changes):
    """Change keys of a JSON file, which need not be there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**values, **changes}))


def test_what_belongs_together_is_not_outdated(results):
    assert outdated(results) == []


RESPONSES, MERGE = "responses/demo/ties/x~1/demo.json", "checkpoints/demo/ties/x~1"
MODEL = "checkpoints/models/slow/manifest.json"


@pytest.mark.parametrize(
    ("file", "changes", "said"),
    [
        (MODEL, {"content_id": "d" * 64}, f"{MERGE}: made of another content of models/slow than is there now"),
        (
            "calibrations/activations/quick/demo-quick.json",
            {"models": ["e" * 64]},
            "calibrations/activations/quick/demo-quick.json: measured on a model that is not there now",
        ),
        (
            RESPONSES,
            {"content_id": "f" * 64},
            f"{RESPONSES}: decoded with another content of demo/ties/x~1 than is there",
        ),
        (
            RESPONSES,
            {"settings": {"engine": "transformers", "engine_identity": {**IDENTITY, "code": "0"}}},
            f"{RESPONSES}: decoded by other code of the engine transformers",
        ),
        (
            RESPONSES,
            {"settings": {"engine": "transformers", "engine_identity": {**IDENTITY, "torch": "1.0"}}},
            f"{RESPONSES}: decoded with torch 1.0, which is ",
        ),
    ],
)
def test_what_was_made_of_something_else_is_told(results, file, changes, said):
    write(results / file, **changes)
    sentences = outdated(results)
    assert any(sentence.startswith(said) for sentence in sentences), sentences
