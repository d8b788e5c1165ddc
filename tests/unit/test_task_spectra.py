"""Spectra of task vectors equal numpy's, and the figure's noise is that of random matrices."""

import numpy as np
import pytest
from support import load_tensors, save_model

from l2s.analysis.spectra_figure import chart, curve_of, curve_of_noise
from l2s.contracts.parquet import read_table, write_table
from l2s.contracts.spectra import SPECTRA
from l2s.errors import UserError
from l2s.merging.engine.task_spectra import measure_spectra

SHARES = np.linspace(0, 1, 11)


@pytest.fixture
def pair(make_model):
    base = make_model("base", 0, full=True)
    return base, make_model("slow", 1, near=base, full=True)


def test_spectra_equal_the_exact_ones_of_every_matrix(pair, tmp_path):
    write_table(measure_spectra(*pair, threads=2), tmp_path / "spectra.parquet")
    frame = read_table(tmp_path / "spectra.parquet", SPECTRA).to_pandas()
    before, after = map(load_tensors, pair)
    matrices = [name for name, tensor in before.items() if tensor.ndim == 2]
    assert set(frame["tensor"]) == set(matrices)
    for name, rows in frame.groupby("tensor"):
        expected = np.linalg.svd((after[name] - before[name]).double().numpy(), compute_uv=False)
        np.testing.assert_allclose(rows["singular_value"], expected, rtol=1e-6)
        assert rows["rank"].tolist() == list(range(1, len(expected) + 1))
        assert (rows["rows"].iloc[0], rows["columns"].iloc[0]) == tuple(before[name].shape)
    layers = frame.groupby("tensor")[["layer", "module"]].first()
    assert layers.loc["model.layers.1.self_attn.k_proj.weight"].tolist() == [1, "k_proj"]
    assert layers.loc["lm_head.weight"].isna()["layer"]


def test_the_embedding_stands_in_for_the_output_layer_of_a_tied_base(make_model):
    base = make_model("base", 0, drop=("lm_head.weight",), tie_word_embeddings=True)
    slow = make_model("slow", 1)
    frame = measure_spectra(base, slow, threads=1).to_pandas()
    difference = load_tensors(slow)["lm_head.weight"] - load_tensors(base)["model.embed_tokens.weight"]
    expected = np.linalg.svd(difference.double().numpy(), compute_uv=False)
    np.testing.assert_allclose(frame[frame["tensor"] == "lm_head.weight"]["singular_value"], expected, rtol=1e-6)


def test_nan_names_the_tensor_and_its_file(pair):
    tensors = load_tensors(pair[1])
    tensors["lm_head.weight"][2, 3] = float("nan")
    save_model(pair[1], tensors)
    with pytest.raises(UserError, match=r"slow.*tensor 'lm_head.weight' holds NaN or infinity"):
        measure_spectra(*pair, threads=1)


@pytest.mark.parametrize("shape", [(500, 500), (300, 900), (900, 300)], ids=str)
def test_noise_is_that_of_random_matrices(shape):
    values = np.linalg.svd(np.random.default_rng(0).normal(size=shape), compute_uv=False)
    found, expected = curve_of(values, SHARES), curve_of_noise(*shape, SHARES)
    np.testing.assert_allclose(found.energy, expected.energy, atol=0.01)
    assert found.effective == pytest.approx(expected.effective, abs=0.01)


def test_curves_of_plain_spectra():
    equal = curve_of(np.ones(10), SHARES)
    np.testing.assert_allclose(equal.energy, SHARES)
    assert equal.effective == pytest.approx(1)
    single = curve_of(np.array([3.0, 0, 0, 0]), np.array([0, 0.25, 1]))
    assert single.energy.tolist() == [0, 1, 1]
    assert single.effective == pytest.approx(0.25)
    nothing = curve_of(np.zeros(4), SHARES)
    assert not nothing.energy.any()
    assert nothing.effective == 0


def test_figure_has_a_line_for_every_matrix_and_noise_for_every_shape(pair):
    drawn = chart(measure_spectra(*pair, threads=1), "Title").to_dict()
    points = [row for data in drawn["datasets"].values() for row in data if "line" in row]
    noise = {row["line"] for row in points if row["line"].startswith("noise")}
    assert noise == {"noise 24 × 16", "noise 16 × 16", "noise 8 × 16", "noise 40 × 16", "noise 16 × 40"}
    assert {row["line"] for row in points} - noise == {n for n, t in load_tensors(pair[0]).items() if t.ndim == 2}
    assert {row["layer"] for row in points if "lm_head" in row["line"]} == {None}
