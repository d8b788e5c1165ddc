"""Scales by tensor, the released code's arithmetic, and the model card."""

import json

import pytest
import torch
import yaml
from merges import merge
from support import load_tensors, save_model

from l2s.errors import UserError
from l2s.merging.engine.scaling import matches


@pytest.mark.parametrize(
    ("pattern", "tensor", "named"),
    [
        ("*", "lm_head.weight", True),
        ("model.layers.{0-13}.*", "model.layers.13.mlp.up_proj.weight", True),
        ("model.layers.{0-13}.*", "model.layers.14.mlp.up_proj.weight", False),
        ("model.layers.{0-13}.*", "model.layers.1x.mlp", False),
        ("*.mlp.*", "model.layers.0.mlp.up_proj.weight", True),
        ("*.mlp.*", "model.layers.0.self_attn.q_proj.weight", False),
        ("model.norm.weight", "modelXnormXweight", False),
    ],
)
def test_patterns_name_tensors(pattern, tensor, named):
    assert matches(pattern, tensor) is named


@pytest.mark.parametrize("method", ["task_arithmetic", "ties", "dare_ta", "dare_ties"])
def test_scale_map_scales_each_tensor_by_its_own_number(make_model, tmp_path, method):
    base, slow = make_model("base", 0), make_model("slow", 1)
    scales = {"model.layers.{0-0}.*": 0.25, "model.layers.1.mlp.*": 1.5, "*": 0.0}
    merge({"method": method, "scale": scales, "dtype": "float32"}, base, [slow], tmp_path / "map")
    merged = load_tensors(tmp_path / "map")
    for scale in (0.25, 1.5, 0.0):
        merge({"method": method, "scale": scale, "dtype": "float32"}, base, [slow], tmp_path / str(scale))
        alone = load_tensors(tmp_path / str(scale))
        for name in merged:
            expected = 0.25 if ".layers.0." in name else 1.5 if ".layers.1." in name else 0.0
            if scale == expected:
                assert torch.equal(merged[name], alone[name]), name


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        ({"model.layers.{5-9}.*": 0.5, "*": 0.7}, r"pattern 'model.layers.\{5-9\}.\*' names no tensor"),
        ({"model.layers.*": 0.5}, r"no pattern names tensor '(model.embed_tokens|lm_head).weight'; add '\*'"),
        ({"*mlp*": 0.5, "*layers.0*": 0.6, "*": 1}, r"tensor 'model.layers.0.mlp.down_proj.weight' is named twice"),
        ({"*": 3.0}, r"key 'scale.\*': Input should be less than or equal to 2"),
        (3.0, r"key 'scale': Input should be less than or equal to 2 \(found 3.0\)"),
        ("much", r"key 'scale'"),
        (True, r"key 'scale': Input should be a valid number \(found True\)"),
        ({"*": True}, r"key 'scale.\*': Input should be a valid number \(found True\)"),
        ({}, "key 'scale': give a number, or numbers by tensor-name pattern"),
        ({"from": 0.1, "to": 0.9, "step": 0.1}, "key 'scale': .*a range belongs in a study's 'recipes'"),
    ],
)
def test_wrong_scale_is_refused_before_anything_is_read(make_model, tmp_path, scale, message):
    base, slow = make_model("base", 0), make_model("slow", 1)
    with pytest.raises(UserError, match=message):
        merge({"method": "ties", "scale": scale}, base, [slow], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def released(base, slow, recipe):
    """What the released code computes, in bfloat16 operation by operation and with its promotions to float32."""
    merged = {}
    models = [load_tensors(folder) for folder in slow]
    for name, start in load_tensors(base).items():
        if recipe["method"] == "average":
            merged[name] = torch.stack([start, *(model[name] for model in models)]).mean(dim=0)
            continue
        deltas = [model[name] - start for model in models]
        change = ties_change(deltas, recipe["keep_fraction"]) if recipe["method"] == "ties" else sum(deltas)
        merged[name] = (start + recipe["scale"] * change).to(start.dtype)
    return merged


def ties_change(deltas, keep_fraction):
    """Trim, elect (sums of zero get the sign that most have), mean of what agrees, in float32 as the count is."""
    trimmed = []
    for delta in deltas:
        dropped = int(delta.numel() * round(1 - keep_fraction, 6))
        threshold = delta.abs().flatten().kthvalue(dropped).values if dropped else 0
        trimmed.append(delta * (delta.abs() >= threshold))
    signs = torch.sign(sum(trimmed))
    signs = torch.where(signs == 0, torch.sign(signs.sum()), signs)
    agreeing = [torch.where(torch.sign(delta) == signs, delta, 0) for delta in trimmed]
    return sum(agreeing) / sum((delta != 0).float() for delta in agreeing).clamp(min=1)


@pytest.mark.parametrize("slow_models", [1, 2])
@pytest.mark.parametrize(
    "recipe",
    [
        {"method": "average"},
        {"method": "task_arithmetic", "scale": 0.7},
        {"method": "ties", "keep_fraction": 0.2, "scale": 0.55},
        {"method": "ties", "keep_fraction": 0.75, "scale": 1.0},
        {"method": "ties", "keep_fraction": 1.0, "scale": 0.5},
    ],
)
def test_released_fidelity_equals_the_released_arithmetic_to_the_bit(make_model, tmp_path, recipe, slow_models):
    base = make_model("base", 0, torch.bfloat16)
    slow = [make_model(f"slow{seed}", seed, torch.bfloat16) for seed in range(1, slow_models + 1)]
    merge({**recipe, "fidelity": "released"}, base, slow, tmp_path / "out")
    merged, expected = load_tensors(tmp_path / "out"), released(base, slow, recipe)
    assert all(torch.equal(merged[name], expected[name]) for name in expected)
    if recipe["method"] != "average":
        merge(recipe, base, slow, tmp_path / "exact")
        exact = load_tensors(tmp_path / "exact")
        assert any(not torch.equal(exact[name], merged[name]) for name in exact)


def test_released_mean_of_three_models_is_rounded_once(make_model, tmp_path):
    base, *slow = (make_model(f"model{seed}", seed, torch.bfloat16) for seed in range(3))
    merge({"method": "average", "fidelity": "released"}, base, slow, tmp_path / "out")
    merged, models = load_tensors(tmp_path / "out"), [load_tensors(folder) for folder in (base, *slow)]
    twice = {name: (sum(model[name] for model in models) / 3) for name in merged}
    once = {name: (sum(model[name].double() for model in models) / 3).bfloat16() for name in merged}
    assert all(torch.equal(merged[name], once[name]) for name in merged)
    assert sum(int((twice[name] != once[name]).sum()) for name in merged) > 100


@pytest.mark.parametrize(("trim", "expected"), [("tensor", [0.25, -0.25]), ("model", [0.25, 0.25])])
def test_cancelling_task_vectors_give_the_majority_sign_if_released_and_nothing_if_exact(
    make_model, tmp_path, trim, expected
):
    folders = [make_model(name, 0, torch.bfloat16) for name in ("base", "first", "second")]
    up, down = "model.layers.0.mlp.down_proj.weight", "model.layers.1.mlp.down_proj.weight"
    for folder, sign in zip(folders, (0, 1, -1), strict=True):
        tensors = {name: torch.zeros_like(tensor) for name, tensor in load_tensors(folder).items()}
        tensors[up][0, :4] = sign**2 * torch.tensor([1.0, 1.0, 1.0, 0.0])
        tensors[down][0, :4] = sign**2 * torch.tensor([-1.0, -1.0, 0.0, 0.0])
        tensors[up][0, 3] = tensors[down][0, 3] = sign * 0.25
        save_model(folder, {name: tensor.bfloat16() for name, tensor in tensors.items()})
    recipe = {"method": "ties", "keep_fraction": 1.0, "scale": 1.0, "trim": trim}
    found = {}
    for fidelity in ("released", "exact"):
        merge({**recipe, "fidelity": fidelity}, folders[0], folders[1:], tmp_path / fidelity)
        merged = load_tensors(tmp_path / fidelity)
        found[fidelity] = [float(merged[name][0, 3]) for name in (up, down)]
        assert merged[up][0, :3].tolist() == [1, 1, 1]
    assert found == {"released": expected, "exact": [0, 0]}


def test_released_fidelity_takes_the_base_config_and_drops_the_head_of_a_tied_base(make_model, tmp_path):
    tied = {"tie_word_embeddings": True, "max_position_embeddings": 4096}
    base = make_model("base", 0, torch.bfloat16, drop=("lm_head.weight",), **tied)
    slow = make_model("slow", 1, torch.bfloat16, max_position_embeddings=131072)
    manifest = merge({"method": "ties", "fidelity": "released"}, base, [slow], tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (config["max_position_embeddings"], config["tie_word_embeddings"]) == (4096, True)
    assert "lm_head.weight" not in load_tensors(tmp_path / "out")
    assert manifest.policies["lm_head"] == "dropped: the base has none"


def test_model_card_says_how_to_reproduce_the_checkpoint(make_model, tmp_path):
    base, slow = make_model("base", 0), make_model("slow", 1, max_position_embeddings=128)
    manifest = merge({"method": "ties"}, base, [slow], tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["tags"] == ["merge", "ties"]
    recipe = yaml.safe_load(card.split("```yaml\n")[1].split("```")[0])
    # Folders by their names: paths of the machine that merged mean nothing elsewhere, and are nobody's business.
    assert recipe == {**manifest.recipe, "base": "base", "models": ["slow"]}
    assert str(tmp_path) not in card
    assert manifest.content_id in card and "max_position_embeddings" in card
