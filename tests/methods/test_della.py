"""DELLA, and how often it keeps what."""

import numpy as np
import pytest
import torch
from merges import merge, parse
from support import load_tensors

from l2s.errors import UserError
from l2s.merging.engine.contract import Chunk
from l2s.merging.engine.random_masks import draws
from l2s.merging.engine.recipe import parse_method
from methods.test_ties import disjoint_mean

RECIPES = [
    {"keep_fraction": 0.6, "spread": 0.2, "seed": 3},
    {"keep_fraction": 0.6, "rescale": "probability", "scale": 0.8},
]


def reference(given, method):
    kept = [drop(vector, ordinal, method) for ordinal, vector in enumerate(given.task_vectors())]
    return {name: start + method.scale * disjoint_mean([v[name] for v in kept]) for name, start in given.base.items()}


def drop(vector, ordinal, method):
    dropped = {}
    for name, values in vector.items():
        rows = values.reshape(-1, values.shape[-1]) if values.ndim > 1 else values[None]
        ranks = np.argsort(np.argsort(np.abs(rows.astype("f4")), axis=1, kind="stable"), axis=1)
        share = ranks / (rows.shape[1] - 1) * 2 * method.spread + method.keep_fraction - method.spread
        values_kept = np.round(share * 65536)
        drawn = draws(method.seed, ordinal, name, 0, values.size).reshape(rows.shape)
        rest = np.where(drawn < values_kept, rows, 0)
        if method.rescale == "probability":
            rest = rest / (values_kept / 65536)
        elif np.any(rest):
            rest = rest * np.abs(rows).sum() / np.abs(rest).sum()
        dropped[name] = rest.reshape(values.shape)
    return dropped


def test_della_keeps_large_elements_more_often_than_small_ones():
    vector = torch.randn(64, 500, generator=torch.Generator().manual_seed(0))
    chunk = Chunk("w", (64, 500), 0, torch.zeros(32_000), [vector.flatten().clone()])
    method = parse_method({"method": "della", "keep_fraction": 0.5, "spread": 0.4}, "test")
    kept = method.merge(chunk, None).view(64, 500) != 0
    tenths = vector.abs().argsort(dim=1).argsort(dim=1) // 50
    for tenth in range(10):
        # 3,200 draws with one probability on average: six standard errors wide.
        assert abs(float(kept[tenths == tenth].double().mean()) - (0.14 + 0.08 * tenth)) < 0.055


def test_della_keeps_the_sum_of_magnitudes_of_each_tensor(make_model, tmp_path):
    base = make_model("base", 0)
    slow = make_model("slow", 1, near=base)
    merge({"method": "della", "dtype": "float32"}, base, [slow], tmp_path / "out")
    before, moved = load_tensors(base), load_tensors(slow)
    for name, tensor in load_tensors(tmp_path / "out").items():
        wanted = (moved[name] - before[name]).abs().sum()
        torch.testing.assert_close((tensor - before[name]).abs().sum(), wanted, rtol=1e-4, atol=1e-5)


def test_della_refuses_probabilities_beyond_one(tmp_path):
    with pytest.raises(UserError, match=r"keep_fraction 0.9 ± spread 0.15 must lie between 0 and 1; lower spread"):
        parse({"method": "della", "keep_fraction": 0.9}, tmp_path, [tmp_path])
