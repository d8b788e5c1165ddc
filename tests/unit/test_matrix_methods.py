"""LoRE and Twin equal naive float64 computations with numpy's decomposition; what LoRE can and cannot be; bad input."""

import numpy as np
import pytest
import torch
from support import load_tensors, save_model
from test_engine import stream
from test_methods import merge, trim

from l2s.contracts.merge_statistics import MERGE_STATISTICS
from l2s.contracts.parquet import read_table
from l2s.errors import UserError
from l2s.merging.engine.recipe import parse_method, parse_recipe

MATRIX_RECIPES = [
    {"method": "lore", "mu": 0.3, "keep_fraction": 0.4, "scale": 0.8},
    {"method": "lore", "mu": 0.2, "iterations": 3, "combine": "average", "scale": 1.5},
    {"method": "lore", "mu": 0.3, "start": "mean", "keep_fraction": 0.5},
    {"method": "twin"},
    {"method": "twin", "scale": 0.6, "rank": 3, "weight": 0.5},
    {"method": "twin", "scale": 0.5, "keep_rank": 0.6, "weight": 1.2},
]
BOUNDS = {"float32": {"rtol": 1e-5, "atol": 1e-5}, "bfloat16": {"rtol": 2**-8, "atol": 1e-5}}
ids = {"ids": lambda recipe: "-".join(map(str, recipe.values()))}


def with_values(matrix, change):
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    return (left * change(values)) @ right


def thresholded(tensor, mu):
    matrix = tensor if tensor.ndim > 1 else tensor[None]
    return with_values(matrix, lambda values: np.maximum(values - mu, 0)).reshape(tensor.shape)


def lore(models, mu, scale=1.0, iterations=20, start="quick", combine="ties", keep_fraction=0.2):
    """Coordinate descent on one tensor of every model."""
    center = models[0] if start == "quick" else np.mean(models, axis=0)
    parts = [thresholded(model - center, mu) for model in models]
    for _ in range(iterations - 1):
        center = np.mean([model - part for model, part in zip(models, parts, strict=True)], axis=0)
        parts = [thresholded(model - center, mu) for model in models]
    if combine == "average":
        return center + scale * np.mean(parts, axis=0)
    kept = np.stack([part["x"] for part in trim([{"x": part} for part in parts], keep_fraction, "tensor")])
    total = kept.sum(axis=0)
    elected = np.sign(np.where(np.abs(total) > 1e-12, total, 0))
    agreeing = np.where((np.sign(kept) == elected) & (kept != 0), kept, 0)
    return center + scale * agreeing.sum(axis=0) / np.maximum((agreeing != 0).sum(axis=0), 1)


def twin(base, models, scale=0.3, weight=1.0, keep_rank=0.1, rank=None):
    shared = base + scale * sum(model - base for model in models)
    merged = shared.copy()
    for model in models:
        exclusive = model - shared
        if exclusive.ndim > 1:
            kept = rank or int(keep_rank * min(exclusive.shape))
            exclusive = with_values(exclusive, lambda values, kept=kept: values * (np.arange(len(values)) < kept))
        merged += weight * exclusive
    return merged


def reference(recipe, base, slow):
    settings = {key: value for key, value in recipe.items() if key != "method"}
    read = [{name: tensor.double().numpy() for name, tensor in load_tensors(path).items()} for path in (base, *slow)]
    for name in read[0]:
        first, *others = (tensors[name] for tensors in read)
        expected = lore([first, *others], **settings) if recipe["method"] == "lore" else twin(first, others, **settings)
        yield name, expected


@pytest.fixture
def models(make_model):
    base = make_model("base", 0)
    return base, [make_model(f"slow{seed}", seed, near=base) for seed in (1, 2)]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("slow_models", [1, 2])
@pytest.mark.parametrize("recipe", MATRIX_RECIPES, **ids)
def test_merge_equals_the_float64_reference(models, tmp_path, recipe, slow_models, dtype):
    base, slow = models[0], models[1][:slow_models]
    merge({**recipe, "dtype": dtype}, base, slow, tmp_path / "out")
    merged = load_tensors(tmp_path / "out")
    for name, expected in reference(recipe, base, slow):
        np.testing.assert_allclose(merged[name].double().numpy(), expected, **BOUNDS[dtype], err_msg=name)


@pytest.mark.parametrize("recipe", MATRIX_RECIPES, **ids)
def test_tensors_do_not_depend_on_chunks_or_threads(models, tmp_path, recipe):
    base, slow = models
    one = stream(recipe, base, slow, tmp_path / "a", threads=1, chunk=1 << 20)
    other = stream(recipe, base, slow, tmp_path / "b", threads=3, chunk=37)
    assert one == other


def test_statistics_are_those_of_the_merge(models, tmp_path):
    base, slow = models[0], models[1][:1]
    merge({**MATRIX_RECIPES[4], "dtype": "float32"}, base, slow, tmp_path / "out")
    start, merged = load_tensors(base), load_tensors(tmp_path / "out")
    for row in read_table(tmp_path / "out" / "statistics.parquet", MERGE_STATISTICS).to_pylist():
        change = (merged[row["tensor"]] - start[row["tensor"]]).double()
        assert row["merged_norm"] == pytest.approx(float(change.norm()), rel=1e-5)
        assert row["elements"] == change.numel()


# ---- what LoRE can and cannot be


@pytest.mark.parametrize("combine", ["average", "ties"])
@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_lore_of_two_models_from_their_mean_is_plain_averaging(models, tmp_path, combine, scale):
    base, slow = models[0], models[1][:1]
    recipe = {"method": "lore", "mu": 0.3, "start": "mean", "combine": combine, "scale": scale, "dtype": "float32"}
    merge(recipe, base, slow, tmp_path / "out")
    merged, quick, r1 = load_tensors(tmp_path / "out"), load_tensors(base), load_tensors(slow[0])
    for name, tensor in merged.items():
        torch.testing.assert_close(tensor, (quick[name] + r1[name]) / 2, rtol=1e-6, atol=1e-6)


def test_lore_that_averages_unscaled_is_plain_averaging_from_the_quick_model_too(models, tmp_path):
    base, slow = models[0], models[1][:1]
    merge({"method": "lore", "mu": 0.1, "combine": "average", "dtype": "float32"}, base, slow, tmp_path / "out")
    merged, quick, r1 = load_tensors(tmp_path / "out"), load_tensors(base), load_tensors(slow[0])
    for name, tensor in merged.items():
        torch.testing.assert_close(tensor, (quick[name] + r1[name]) / 2, rtol=1e-5, atol=1e-5)


def descended(start, way, seed=0, mu=0.4):
    generator = torch.Generator().manual_seed(seed)
    pair = [torch.randn(12, 20, generator=generator) * 0.3 for _ in range(2)]
    method = parse_method({"method": "lore", "mu": mu, "start": start}, "test")
    given = [matrix.clone() for matrix in pair]
    center, parts = method.of_two(*given) if way == "of_two" else method.of_several(given)
    return pair, center, parts


@pytest.mark.parametrize("start", ["quick", "mean"])
def test_descent_on_the_singular_values_of_two_models_is_descent_on_the_matrices(start):
    _, center, parts = descended(start, "of_two")
    _, expected, expected_parts = descended(start, "of_several")
    for found, wanted in zip([center, *parts], [expected, *expected_parts], strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_lore_of_two_models_from_the_quick_one_has_the_documented_form():
    (quick, slow), center, (first, second) = descended("quick", "of_two")
    difference = (slow - quick).double().numpy()
    np.testing.assert_allclose(
        (center - quick).numpy(), with_values(difference, lambda s: np.minimum(s / 2, 0.4)), atol=1e-5
    )
    np.testing.assert_allclose(second.numpy(), with_values(difference, lambda s: np.maximum(s - 0.8, 0)), atol=1e-5)
    assert not first.any()


def test_the_objective_does_not_tell_the_starts_apart():
    def objective(start):
        models, center, parts = descended(start, "of_two", mu=0.05)
        residuals = [center + part - model for model, part in zip(models, parts, strict=True)]
        norms = [torch.linalg.matrix_norm(part.double(), "nuc") for part in parts]
        return sum(float(residual.double().square().sum()) / 2 for residual in residuals) + 0.05 * float(sum(norms))

    assert objective("quick") == pytest.approx(objective("mean"), rel=1e-5)
    assert not torch.allclose(descended("quick", "of_two", mu=0.05)[1], descended("mean", "of_two", mu=0.05)[1])


def test_twin_that_keeps_everything_is_the_slow_model(models, tmp_path):
    base, slow = models[0], models[1][:1]
    merge({"method": "twin", "keep_rank": 1.0, "dtype": "float32"}, base, slow, tmp_path / "out")
    merged = load_tensors(tmp_path / "out")
    for name, tensor in load_tensors(slow[0]).items():
        torch.testing.assert_close(merged[name], tensor, rtol=1e-6, atol=1e-6)


def test_a_share_of_the_rank_is_rounded_down_as_meant():
    method = parse_method({"method": "twin", "keep_rank": 0.29}, "test")
    assert [method.rank_of(shape) for shape in ((100, 200), (200, 99), (3, 3))] == [29, 28, 0]


# ---- memory and bad input


def test_expected_memory_holds_the_largest_tensor_of_every_model_once(models, tmp_path):
    from l2s.merging.engine.plan import plan_merge
    from l2s.merging.engine.stream import StreamingMerge

    base, slow = models[0], models[1][:1]
    parsed = parse_recipe({"method": "twin", "base": str(base), "models": [str(slow[0])]}, "test")
    plan = plan_merge(parsed, base, slow)
    sizes = [StreamingMerge(plan, tmp_path, threads, chunk_elements=64).expected_bytes for threads in (1, 8)]
    assert sizes[0] == sizes[1] >= 2 * 16 * 40 * 4


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"method": "lore", "mu": -0.1}, r"key 'mu': Input should be greater than or equal to 0 \(found -0.1\)"),
        ({"method": "lore", "start": "slow"}, "key 'start': Input should be 'quick' or 'mean'"),
        ({"method": "lore", "fidelity": "released"}, "method 'lore' has no 'released' variant; it can be exact"),
        ({"method": "twin", "fidelity": "released"}, "method 'twin' has no 'released' variant; it can be exact"),
        ({"method": "twin", "rank": 0}, r"key 'rank': Input should be greater than or equal to 1 \(found 0\)"),
        ({"method": "twin", "keep_rank": 1.5}, "key 'keep_rank': Input should be less than or equal to 1"),
        ({"method": "twin", "rank": 2, "keep_rank": 0.5}, "give keep_rank or rank, not both"),
        (
            {"method": "twin", "rank": 17},
            r"rank: 17 is more than tensor 'lm_head.weight' of shape \(24, 16\) can have, 16; give a smaller rank",
        ),
    ],
)
def test_hyper_parameters_that_cannot_be_are_refused(models, tmp_path, recipe, message):
    with pytest.raises(UserError, match=message):
        merge(recipe, models[0], models[1][:1], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_lore_of_one_model_is_refused(models):
    with pytest.raises(UserError, match="method 'lore' merges 2 models or more; give more 'models'"):
        parse_recipe({"method": "lore", "models": [str(models[0])]}, "test")


@pytest.mark.parametrize("method", ["lore", "twin"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_or_infinity_names_the_tensor_and_leaves_nothing(models, tmp_path, method, value):
    base, slow = models[0], models[1][:1]
    tensors = load_tensors(slow[0])
    tensors["model.layers.0.mlp.down_proj.weight"][3, 5] = value
    save_model(slow[0], tensors)
    with pytest.raises(UserError, match=r"slow1.*down_proj.weight.*NaN or infinity"):
        merge({"method": method}, base, slow, tmp_path / "out")
    assert not (tmp_path / "out").exists()
