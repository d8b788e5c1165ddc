"""The same merges by mergekit, in its own environment, on float32 models with distinct magnitudes."""

import subprocess

import pytest
import torch
import yaml
from merges import merge
from support import CONFIG, ROOT, load_tensors

MERGEKIT = ROOT / ".venv-mergekit" / "bin" / "mergekit-yaml"
BREADCRUMBS = {"method": "breadcrumbs", "keep_fraction": 0.5, "drop_largest": 0.25, "scale": 0.7}
CASES = [
    ("linear", {"method": "average"}, {"weight": 0.5}),
    ("task_arithmetic", {"method": "task_arithmetic", "scale": 1.5}, {"weight": 1.5}),
    ("ties", {"method": "ties", "keep_fraction": 0.25, "scale": 1.0}, {"weight": 1.0, "density": 0.25}),
    ("breadcrumbs", BREADCRUMBS, {"weight": 0.7, "density": 0.5, "gamma": 0.25}),
    ("slerp", {"method": "slerp", "scale": 1.5}, {"t": 1.5}),
]


@pytest.fixture
def models(make_model):
    """A base and a slow model of every tensor."""
    whole = {"intermediate_size": 40, "num_hidden_layers": 2, "vocab_size": 24, "torch_dtype": "float32"}
    assert CONFIG["hidden_size"] == 16
    return [make_model(name, seed, full=True, **whole) for seed, name in enumerate(("base", "slow"))]


def mergekit(name, parameters, models, folder):
    """Merge by mergekit; return the tensors."""
    base, slow = models
    listed = [{"model": str(slow), "parameters": parameters}]
    config = {"merge_method": name, "dtype": "float32", "models": listed}
    if name == "linear":
        listed.append({"model": str(base), "parameters": parameters})
    else:
        config["base_model"] = str(base)
    if name == "slerp":
        config |= {"models": [{"model": str(model)} for model in models], "parameters": parameters}
    if name == "ties":
        # mergekit divides by the sum of weights unless told not to; with one task vector both say the same.
        config["parameters"] = {"normalize": False}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    command = [str(MERGEKIT), str(folder / "config.yaml"), str(folder / "theirs"), "--no-copy-tokenizer"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return load_tensors(folder / "theirs")


@pytest.mark.parametrize(("name", "recipe", "parameters"), CASES, ids=[case[0] for case in CASES])
def test_mergekit_gives_the_same_tensors(models, tmp_path, name, recipe, parameters):
    theirs = mergekit(name, parameters, models, tmp_path)
    base, slow = models
    merge({**recipe, "dtype": "float32"}, base, [slow], tmp_path / "ours")
    ours = load_tensors(tmp_path / "ours")
    assert ours.keys() == theirs.keys()
    for tensor in ours:
        torch.testing.assert_close(ours[tensor], theirs[tensor], rtol=1e-6, atol=2e-6, msg=tensor)


def test_mergekit_drops_as_often_by_rank_as_della_does_and_rescales_alike(models, tmp_path):
    base, slow = models
    given = {"weight": 1.0, "density": 0.5, "epsilon": 0.4}
    merge({"method": "della", "keep_fraction": 0.5, "spread": 0.4, "dtype": "float32"}, base, [slow], tmp_path / "ours")
    merged = {"ours": load_tensors(tmp_path / "ours"), "theirs": mergekit("della", given, models, tmp_path)}
    before, moved = load_tensors(base), load_tensors(slow)
    for who, tensors in merged.items():
        kept = {False: [], True: []}
        for name, start in before.items():
            vector, change = moved[name] - start, tensors[name] - start
            torch.testing.assert_close(change.abs().sum(), vector.abs().sum(), rtol=1e-4, atol=1e-5)
            larger = vector.abs().argsort(dim=-1).argsort(dim=-1) * 2 >= vector.shape[-1]
            for half, shares in kept.items():
                shares.append((change != 0)[larger == half])
        # Some 4,000 draws in each half, with probabilities from 0.1 to 0.5 and from 0.5 to 0.9: six standard errors.
        assert abs(float(torch.cat(kept[False]).double().mean()) - 0.3) < 0.045, who
        assert abs(float(torch.cat(kept[True]).double().mean()) - 0.7) < 0.045, who
