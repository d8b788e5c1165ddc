"""The same merges by mergekit, in its own environment, on float32 models with distinct magnitudes."""

import subprocess

import pytest
import torch
import yaml
from merges import merge
from support import CONFIG, ROOT, load_tensors

MERGEKIT = ROOT / ".venv-mergekit" / "bin" / "mergekit-yaml"
CASES = [
    ("linear", {"method": "average"}, {"weight": 0.5}),
    ("task_arithmetic", {"method": "task_arithmetic", "scale": 0.7}, {"weight": 0.7}),
    ("ties", {"method": "ties", "keep_fraction": 0.25, "scale": 1.0}, {"weight": 1.0, "density": 0.25}),
]


@pytest.mark.parametrize(("name", "recipe", "parameters"), CASES, ids=[case[0] for case in CASES])
def test_mergekit_gives_the_same_tensors(make_model, tmp_path, name, recipe, parameters):
    whole = {"intermediate_size": 40, "num_hidden_layers": 2, "vocab_size": 24, "torch_dtype": "float32"}
    assert CONFIG["hidden_size"] == 16
    base = make_model("base", 0, full=True, **whole)
    slow = make_model("slow", 1, full=True, **whole)
    models = [{"model": str(slow), "parameters": parameters}]
    config = {"merge_method": name, "dtype": "float32", "models": models}
    if name == "linear":
        models.append({"model": str(base), "parameters": parameters})
    else:
        config["base_model"] = str(base)
    if name == "ties":
        # mergekit divides by the sum of weights unless told not to; with one task vector both say the same.
        config["parameters"] = {"normalize": False}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    command = [str(MERGEKIT), str(tmp_path / "config.yaml"), str(tmp_path / "theirs"), "--no-copy-tokenizer"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    merge({**recipe, "dtype": "float32"}, base, [slow], tmp_path / "ours")
    ours, theirs = load_tensors(tmp_path / "ours"), load_tensors(tmp_path / "theirs")
    assert ours.keys() == theirs.keys()
    for tensor in ours:
        torch.testing.assert_close(ours[tensor], theirs[tensor], rtol=1e-6, atol=1e-6, msg=tensor)
