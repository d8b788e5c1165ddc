"""Small files of a model that say what cannot be: each is told before weights are read."""

import json
import shutil

import pytest
from hostile import refused
from support import DEMO

from l2s.decoding.model import read_model
from l2s.decoding.settings import DecodingEntry

SETTINGS = DecodingEntry(prompt="x", max_new_tokens=9, engine="transformers", device="cpu", dtype="float32")
WRONG = {
    "config.json": {
        "max_position_embeddings": [0, -1, "2048", 2048.5, [2048], {}],
    },
    "generation_config.json": {
        "eos_token_id": ["0", -1, 0.5, ["x"], [0, "x"], [[0]], {"a": 1}],
    },
}
CASES = [(file, key, value) for file, keys in WRONG.items() for key, values in keys.items() for value in values]


@pytest.mark.parametrize(("file", "key", "value"), CASES, ids=str)
def test_a_number_that_is_none_is_named_by_file_and_key(tmp_path, file, key, value):
    folder = shutil.copytree(DEMO / "slow", tmp_path / "model", copy_function=shutil.copyfile)
    values = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**values, key: value}))
    with refused(rf"{file}: '{key}' must be .* \(found ", tmp_path):
        read_model(folder, SETTINGS)
