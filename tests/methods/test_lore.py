"""LoRE with numpy's decomposition; what LoRE can and cannot be; bad input."""

import numpy as np
import pytest
import torch
from merges import merge
from support import load_tensors

from l2s.errors import UserError
from l2s.merging.engine.recipe import parse_method
from methods.test_ties import disjoint_mean, trim

RECIPES = [
    {"mu": 0.3, "iterations": 6, "keep_fraction": 0.4, "scale": 0.8},
    {"mu": 0.2, "iterations": 3, "combine": "average", "scale": 1.5},
    {"mu": 0.3, "iterations": 4, "start": "mean", "keep_fraction": 0.5},
]


def reference(given, method):
    return {name: descend([model[name] for model in given.models], method) for name in given.models[0]}


def descend(models, method):
    """Coordinate descent on one tensor of every model."""
    center = models[0] if method.start == "quick" else np.mean(models, axis=0)
    parts = [thresholded(model - center, method.mu) for model in models]
    for _ in range(method.iterations - 1):
        center = np.mean([model - part for model, part in zip(models, parts, strict=True)], axis=0)
        parts = [thresholded(model - center, method.mu) for model in models]
    if method.combine == "average":
        return center + method.scale * np.mean(parts, axis=0)
    kept = trim([{"x": part} for part in parts], method.keep_fraction, "tensor")
    return center + method.scale * disjoint_mean([part["x"] for part in kept])


def thresholded(tensor, mu):
    matrix = tensor if tensor.ndim > 1 else tensor[None]
    return with_values(matrix, lambda values: np.maximum(values - mu, 0)).reshape(tensor.shape)


def with_values(matrix, change):
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    return (left * change(values)) @ right


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


def descended(start, way, seed=0, mu=0.4, iterations=20):
    generator = torch.Generator().manual_seed(seed)
    pair = [torch.randn(12, 20, generator=generator) * 0.3 for _ in range(2)]
    method = parse_method({"method": "lore", "mu": mu, "start": start, "iterations": iterations}, "test")
    given = [matrix.clone() for matrix in pair]
    center, parts = method.of_two(*given) if way == "of_two" else method.of_several(given)
    return pair, center, parts


# Settled with most of the difference in θ₀, or in δ₂; not settled; nothing left for δ₂.
@pytest.mark.parametrize(("mu", "iterations"), [(0.9, 20), (0.1, 20), (0.4, 2), (9.0, 20)])
@pytest.mark.parametrize("start", ["quick", "mean"])
def test_descent_on_the_singular_values_of_two_models_is_descent_on_the_matrices(start, mu, iterations):
    _, center, parts = descended(start, "of_two", mu=mu, iterations=iterations)
    _, expected, expected_parts = descended(start, "of_several", mu=mu, iterations=iterations)
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


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"mu": -0.1}, r"key 'mu': Input should be greater than or equal to 0 \(found -0.1\)"),
        ({"start": "slow"}, "key 'start': Input should be 'quick' or 'mean'"),
    ],
)
def test_hyper_parameters_that_cannot_be_are_refused(models, tmp_path, recipe, message):
    with pytest.raises(UserError, match=message):
        merge({"method": "lore", **recipe}, models[0], models[1][:1], tmp_path / "out")
    assert not (tmp_path / "out").exists()
