"""Every merging method equals a naive float64 computation, to within one rounding to the output's dtype."""

import numpy as np
import pytest
import torch
from support import load_tensors

from l2s.checkpoints.manifest import Parent
from l2s.merging.engine.contract import Method
from l2s.merging.engine.random_masks import keep_mask
from l2s.merging.engine.recipe import parse_recipe
from l2s.merging.engine.run import Workers, merge_checkpoint
from l2s.methods import method_class, method_names

RECIPES = [
    {"method": "average"},
    {"method": "task_arithmetic", "scale": 0.7},
    {"method": "ties", "keep_fraction": 0.2, "scale": 1.0},
    {"method": "ties", "keep_fraction": 0.35, "scale": 0.6, "trim": "model"},
    {"method": "dare", "drop_rate": 0.3, "seed": 5},
    {"method": "dare_ta", "drop_rate": 0.3, "scale": 0.7},
    {"method": "dare_ties", "drop_rate": 0.3, "keep_fraction": 0.5, "scale": 0.9},
]
ELSEWHERE = {"aim", "sens", "lore", "twin"}  # in test_calibrated_methods.py and test_matrix_methods.py


def merge(recipe, base, slow, out, threads=2, device="cpu"):
    """Merge model folders by a recipe's values; the base comes first."""
    if not method_class("merging", Method, recipe["method"], "test").needs_base:
        parsed = parse_recipe({**recipe, "models": [str(base), *map(str, slow)]}, "test")
        parents = [(Parent(used_as="model", source=str(path)), path) for path in (base, *slow)]
    else:
        parsed = parse_recipe({**recipe, "base": str(base), "models": list(map(str, slow))}, "test")
        parents = [(Parent(used_as="base", source=str(base)), base)]
        parents += [(Parent(used_as="model", source=str(path)), path) for path in slow]
    return merge_checkpoint(parsed, parents, out, Workers(threads, device))


def reference(recipe, base, slow):
    """The same merge written down naively, in float64, whole tensors at a time."""
    base = {name: tensor.double().numpy() for name, tensor in load_tensors(base).items()}
    models = [{name: tensor.double().numpy() for name, tensor in load_tensors(path).items()} for path in slow]
    # The task vectors that the methods see are float32 differences; thresholds are taken from those.
    deltas = [{name: (m[name].astype("f4") - base[name].astype("f4")).astype("f8") for name in base} for m in models]
    if "drop_rate" in recipe:
        for ordinal, delta in enumerate(deltas):
            for name, values in delta.items():
                mask = keep_mask(recipe.get("seed", 0), ordinal, name, 0, values.size, recipe["drop_rate"])
                delta[name] = values * mask.reshape(values.shape) / (1 - round(recipe["drop_rate"] * 65536) / 65536)
    if "keep_fraction" in recipe:
        deltas = trim(deltas, recipe["keep_fraction"], recipe.get("trim", "tensor"))
    merged = {}
    for name in base:
        vectors = np.stack([delta[name] for delta in deltas])
        if recipe["method"] == "average":
            merged[name] = np.mean([base[name], *(model[name] for model in models)], axis=0)
        elif recipe["method"] == "dare":
            merged[name] = np.mean([base[name], *(base[name] + vectors)], axis=0)
        elif "keep_fraction" in recipe:
            agreeing = np.where(np.sign(vectors) == np.sign(vectors.sum(axis=0)), vectors, 0)
            mean = agreeing.sum(axis=0) / np.maximum((agreeing != 0).sum(axis=0), 1)
            merged[name] = base[name] + recipe["scale"] * mean
        else:
            merged[name] = base[name] + recipe["scale"] * vectors.sum(axis=0)
    return merged


def trim(deltas, keep_fraction, scope):
    """Zero what is smaller than the k-th largest magnitude, found by sorting."""

    def threshold(values):
        ranked = np.sort(np.abs(values.astype("f4")).ravel())[::-1]
        return ranked[int(np.ceil(round(keep_fraction * ranked.size, 6))) - 1]

    trimmed = []
    for delta in deltas:
        whole = threshold(np.concatenate([values.ravel() for values in delta.values()]))
        bound = {name: whole if scope == "model" else threshold(values) for name, values in delta.items()}
        trimmed.append({name: np.where(np.abs(v.astype("f4")) >= bound[name], v, 0) for name, v in delta.items()})
    return trimmed


def test_every_method_is_compared_with_a_reference():
    assert {recipe["method"] for recipe in RECIPES} | ELSEWHERE == set(method_names("merging"))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("slow_models", [1, 2])
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: "-".join(map(str, recipe.values())))
def test_merge_equals_the_float64_reference(make_model, tmp_path, recipe, slow_models, dtype):
    base = make_model("base", 0)
    slow = [make_model(f"slow{seed}", seed, near=base) for seed in range(1, slow_models + 1)]
    manifest = merge({**recipe, "dtype": dtype}, base, slow, tmp_path / "out")
    merged = load_tensors(tmp_path / "out")
    expected = reference(recipe, base, slow)
    assert merged.keys() == expected.keys() == manifest.tensors.keys()
    for name, values in expected.items():
        assert merged[name].dtype == getattr(torch, dtype)
        # bfloat16 keeps 8 bits of a value, so one rounding is off by at most 2**-9 of it; float32 sums may lose an ulp.
        relative, absolute = (2**-8, 1e-7) if dtype == "bfloat16" else (4e-7, 4e-7)
        np.testing.assert_allclose(merged[name].double().numpy(), values, rtol=relative, atol=absolute, err_msg=name)


def test_ties_with_one_task_vector_keeps_exactly_the_largest_shifts(make_model, tmp_path):
    base = make_model("base", 0)
    slow = make_model("slow", 1, near=base)
    merge({"method": "ties", "keep_fraction": 0.25, "dtype": "float32"}, base, [slow], tmp_path / "out")
    before, after = load_tensors(base), load_tensors(tmp_path / "out")
    for name, tensor in after.items():
        assert (tensor != before[name]).sum() == -(-tensor.numel() // 4)


def test_dare_drops_the_configured_share_and_keeps_the_expectation():
    mask = keep_mask(seed=3, ordinal=0, tensor="w", offset=0, count=400_000, drop_rate=0.3)
    assert abs(mask.mean() - 0.7) < 0.003


def test_dare_masks_depend_on_seed_model_and_tensor():
    def mask(**changed):
        address = {"seed": 0, "ordinal": 0, "tensor": "a", "offset": 0, "count": 256, "drop_rate": 0.5, **changed}
        return keep_mask(**address).tolist()

    masks = [mask(), mask(seed=1), mask(ordinal=1), mask(tensor="b"), mask(offset=256)]
    assert len({tuple(values) for values in masks}) == len(masks)


@pytest.mark.parametrize("offset", [1, 15, 16, 37, 1000])
def test_dare_masks_are_addressed_by_element(offset):
    whole = keep_mask(0, 0, "w", 0, 2000, 0.3)
    assert (keep_mask(0, 0, "w", offset, 500, 0.3) == whole[offset : offset + 500]).all()
