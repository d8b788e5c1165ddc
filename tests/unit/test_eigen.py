"""Singular values replaced by way of eigenvectors in float32, on awkward matrices, against numpy's float64."""

import numpy as np
import pytest
import torch
from unit.test_spectra import decomposed, relative_error

from l2s.merging.engine import eigen, spectra

COUNT = 160
BULK = np.linspace(1, 0.3, COUNT)
AWKWARD = {
    "16 large ones": np.r_[30 * np.linspace(1.2, 0.8, 16), BULK][:COUNT],
    "more large ones than the block holds": np.r_[np.linspace(50, 20, 140), BULK][:COUNT],
    "one huge": np.r_[1e4, BULK][:COUNT],
    "1e6 apart": np.r_[1e6, 1e3, 1e3, BULK][:COUNT],
    "low rank": np.where(np.arange(COUNT) < 20, 1 / np.arange(1, COUNT + 1), 0),
    "one that is not zero": np.r_[1, np.zeros(COUNT - 1)],
    "rank deficient": np.where(np.arange(COUNT) < 150, np.linspace(1, 0.5, COUNT), 0),
    "clusters, also of large ones": np.repeat([30.0, 10, 1, 0.5], 40),
    "a power law": np.arange(1, COUNT + 1) ** -1.5,
    "all equal": np.ones(COUNT),
    "tiny": 1e-22 * np.r_[30 * np.ones(16), BULK][:COUNT],
    "enormous": 1e22 * np.r_[30 * np.ones(16), BULK][:COUNT],
    "nearly equal": 1 + 1e-6 * np.linspace(1, 0, COUNT),
}


SHAPES = [(COUNT, 240), (240, COUNT)]
EIGH, LARGEST = torch.linalg.eigh, eigen._largest


@pytest.fixture(autouse=True)
def float32_from_few_rows_on(monkeypatch):
    monkeypatch.setattr(spectra, "SMALL", eigen.BLOCK)


def matrix_with(values, shape, seed=0):
    rng = np.random.default_rng(seed)
    left, right = (np.linalg.qr(rng.normal(size=(side, len(values))))[0] for side in shape)
    return torch.tensor((left * values) @ right.T, dtype=torch.float32)


def replaced(matrix, function):
    """What the matrix becomes, and whether in float32."""
    found = spectra.decompose(matrix, lambda values: [function(values)])
    into = torch.empty_like(matrix)
    spectra.multiply(matrix, found.multiplier(function(found.values)), into=into)
    return into, found.vectors.dtype == torch.float32


@pytest.mark.parametrize("shape", SHAPES, ids=["wide", "tall"])
@pytest.mark.parametrize("values", AWKWARD.values(), ids=AWKWARD)
def test_values_of_awkward_matrices_are_replaced_as_by_a_full_decomposition(values, shape):
    matrix = matrix_with(values, shape)
    left, found, right = decomposed(matrix)

    def error(function, arrays):
        return np.linalg.norm(replaced(matrix, function)[0].double().numpy() - (left * arrays) @ right)

    for mu in (found[16], found[COUNT // 2] * 0.999, found[-1] * 0.5):
        # Of what lies at the threshold, nothing but the rounding of the matrix is left.
        kept, size = np.maximum(found - mu, 0), 1e-4 * np.linalg.norm(np.maximum(found - mu, 0)) + 1e-6 * found[0]
        assert error(lambda values, mu=mu: (values - mu).clamp(min=0), kept) < size, mu
        # LoRE adds the middle to the rest, so that it must be exact beside the whole.
        middle = np.minimum(found / 2, mu)
        assert error(lambda values, mu=mu: (values / 2).clamp(max=mu), middle) < 1e-5 * np.linalg.norm(found), mu
    for rank in (1, 30, COUNT // 2):
        kept = found * (np.arange(COUNT) < rank)
        taken = error(lambda values, rank=rank: values * (torch.arange(COUNT) < rank), kept)
        assert taken < 1e-4 * np.linalg.norm(kept), rank


@pytest.mark.parametrize(
    ("values", "enough"),
    [("16 large ones", True), ("one huge", True), ("a power law", True), ("low rank", True), ("all equal", False)],
)
def test_float64_is_used_only_where_float32_is_not_enough(values, enough):
    matrix = matrix_with(AWKWARD[values], SHAPES[0])
    _, in_float32 = replaced(matrix, lambda values: values * (torch.arange(COUNT) < 10))
    assert in_float32 == enough


def test_zero_matrix_of_many_rows_stays_zero():
    assert not replaced(torch.zeros(SHAPES[0]), lambda values: values / 2)[0].any()


def wrong_solver(matrix):
    values, vectors = EIGH(matrix)
    return values, vectors + 1e-3 * vectors.roll(1, dims=1) if matrix.dtype == torch.float32 else vectors


def wrong_vectors(gram):
    values, basis, size = LARGEST(gram)
    return values, torch.linalg.qr(basis + 1e-3 * basis.roll(1, dims=0)).Q, size


def missed_vector(gram):
    values, basis, size = LARGEST(gram)
    return values[1:], basis[:, 1:], size


@pytest.mark.parametrize(
    ("where", "name", "fault"),
    [(torch.linalg, "eigh", wrong_solver), (eigen, "_largest", wrong_vectors), (eigen, "_largest", missed_vector)],
)
def test_what_is_not_an_eigenvector_is_noticed_and_float64_used(monkeypatch, where, name, fault):
    matrix = matrix_with(AWKWARD["16 large ones"], SHAPES[0])
    left, found, right = decomposed(matrix)

    def function(values):
        return values.clamp(max=found[COUNT // 2])

    assert replaced(matrix, function)[1]
    monkeypatch.setattr(where, name, fault)
    clipped, in_float32 = replaced(matrix, function)
    assert not in_float32
    assert relative_error(clipped, (left * function(torch.tensor(found)).numpy()) @ right) < 1e-4
