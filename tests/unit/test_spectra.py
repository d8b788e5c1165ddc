"""Thresholded and truncated singular values equal those of numpy's decomposition in float64."""

import numpy as np
import pytest
import torch

from l2s.merging.engine.spectra import decompose, multiply, singular_values, threshold, truncate
from l2s.merging.engine.values import torch_threads

SHAPES = [(1, 1), (1, 9), (9, 1), (6, 6), (5, 40), (40, 5), (30, 4500), (4500, 30), (260, 330), (430, 400)]
SPECTRA = {
    "slow decay": lambda n: 1 / np.arange(1, n + 1),
    "slower decay": lambda n: np.arange(1, n + 1) ** -0.5,
    "fast decay": lambda n: 10.0 ** (-6 * np.arange(n) / n),
    "a large one, then 1e-3": lambda n: np.r_[1, 1e-3 * np.linspace(1, 0.5, n)][:n],
    "a large one, then 1e-4": lambda n: np.r_[1, 1e-4 * np.linspace(1, 0.5, n)][:n],
    "flat": lambda n: np.linspace(1, 0.5, n),
    "equal": np.ones,
    "rank deficient": lambda n: np.where(np.arange(n) < max(1, n // 4), 1 / np.arange(1, n + 1), 0),
    "noise": None,
}


def matrix_with(spectrum, shape, seed=0):
    """A float32 matrix with these singular values, up to rounding."""
    rng = np.random.default_rng(seed)
    rank = min(shape)
    if SPECTRA[spectrum] is None:
        return torch.tensor(rng.normal(size=shape), dtype=torch.float32)
    left, right = (np.linalg.qr(rng.normal(size=(side, rank)))[0] for side in shape)
    return torch.tensor((left * SPECTRA[spectrum](rank)) @ right.T, dtype=torch.float32)


def decomposed(matrix):
    return np.linalg.svd(matrix.double().numpy(), full_matrices=False)


def relative_error(found, expected):
    return np.linalg.norm(found.double().numpy() - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_thresholded_matrix_equals_the_exact_one(spectrum, shape):
    matrix = matrix_with(spectrum, shape)
    left, values, right = decomposed(matrix)
    for mu in (0, 0.01 * values[-1], 0.999 * values[-1], 0.999 * values[len(values) // 2], 0.9 * values[0]):
        found = matrix.clone()
        threshold(found, mu)
        assert relative_error(found, (left * np.maximum(values - mu, 0)) @ right) < 1e-4, mu


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_truncated_matrix_equals_the_exact_one(spectrum, shape):
    matrix = matrix_with(spectrum, shape)
    left, values, right = decomposed(matrix)
    for rank in {1, len(values) // 10 or 1, len(values) // 2 or 1, len(values) - 1 or 1, len(values)}:
        found = matrix.clone()
        truncate(found, rank)
        assert relative_error(found, (left[:, :rank] * values[:rank]) @ right[:rank]) < 1e-4, rank


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("change", [lambda matrix: threshold(matrix, 0.1), lambda matrix: truncate(matrix, 1)])
def test_zero_matrix_stays_zero(change, shape):
    matrix = torch.zeros(shape)
    change(matrix)
    assert not matrix.any()


def test_everything_under_the_threshold_or_beyond_the_rank_goes():
    matrix = matrix_with("flat", (30, 50))
    for change in (lambda found: threshold(found, 1.001), lambda found: truncate(found, 0)):
        found = matrix.clone()
        change(found)
        assert not found.any()


@pytest.mark.parametrize("size", [1e-22, 1e22])
def test_very_small_and_very_large_values_are_no_less_exact(size):
    matrix = matrix_with("slow decay", (40, 60)) * size
    left, values, right = decomposed(matrix)
    threshold(matrix, 0.2 * values[0])
    assert relative_error(matrix, (left * np.maximum(values - 0.2 * values[0], 0)) @ right) < 1e-4


@pytest.mark.parametrize("shape", [(300, 2500), (2500, 520)], ids=str)
@pytest.mark.parametrize("spectrum", ["flat", "slow decay"])
def test_result_does_not_depend_on_the_number_of_threads(spectrum, shape):
    found = []
    for threads in (1, 2, 3, 5):
        matrix = matrix_with(spectrum, shape)
        with torch_threads(threads):
            threshold(matrix, 0.01)
            assert torch.get_num_threads() == threads
        found.append(matrix)
    assert all(torch.equal(found[0], other) for other in found[1:])


def test_several_functions_of_one_decomposition():
    matrix = matrix_with("flat", (20, 30))
    left, values, right = decomposed(matrix)
    found = decompose(matrix, lambda values: [values / 2, values**2])
    into = torch.empty_like(matrix)
    multiply(matrix, found.multiplier(found.values**2), into=into)
    assert relative_error(into, (left * values**2) @ right) < 1e-5
    multiply(matrix, found.multiplier(found.values / 2), into=matrix)
    assert relative_error(matrix, (left * values / 2) @ right) < 1e-5


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_singular_values_equal_the_exact_ones(spectrum, shape):
    matrix = matrix_with(spectrum, shape)
    _, expected, _ = decomposed(matrix)
    np.testing.assert_allclose(singular_values(matrix).numpy(), expected, rtol=1e-6, atol=1e-7 * expected[0])
