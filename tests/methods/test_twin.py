"""Twin with numpy's decomposition, its rank, and bad input."""

import numpy as np
import pytest
import torch
from merges import merge
from support import load_tensors

from l2s.errors import UserError
from l2s.merging.engine.recipe import parse_method
from methods.test_lore import with_values

RECIPES = [
    {},
    {"scale": 0.6, "rank": 3, "weight": 0.5},
    {"scale": 0.5, "keep_rank": 0.6, "weight": 1.2},
]


def reference(given, method):
    return {name: twin(start, [m[name] for m in given.models], method) for name, start in given.base.items()}


def twin(base, models, method):
    """Merge one tensor of every model."""
    shared = base + method.scale * sum(model - base for model in models)
    merged = shared.copy()
    for model in models:
        exclusive = model - shared
        if exclusive.ndim > 1:
            kept = method.rank or int(method.keep_rank * min(exclusive.shape))
            exclusive = with_values(exclusive, lambda values, kept=kept: values * (np.arange(len(values)) < kept))
        merged += method.weight * exclusive
    return merged


def test_twin_that_keeps_everything_is_the_slow_model(models, tmp_path):
    base, slow = models[0], models[1][:1]
    merge({"method": "twin", "keep_rank": 1.0, "dtype": "float32"}, base, slow, tmp_path / "out")
    merged = load_tensors(tmp_path / "out")
    for name, tensor in load_tensors(slow[0]).items():
        torch.testing.assert_close(merged[name], tensor, rtol=1e-6, atol=1e-6)


def test_a_share_of_the_rank_is_rounded_down_as_meant():
    method = parse_method({"method": "twin", "keep_rank": 0.29}, "test")
    assert [method.rank_of(shape) for shape in ((100, 200), (200, 99), (3, 3))] == [29, 28, 0]


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"rank": 0}, r"key 'rank': Input should be greater than or equal to 1 \(found 0\)"),
        ({"keep_rank": 1.5}, "key 'keep_rank': Input should be less than or equal to 1"),
        ({"rank": 2, "keep_rank": 0.5}, "give keep_rank or rank, not both"),
        (
            {"rank": 17},
            r"rank: 17 is more than tensor 'lm_head.weight' of shape \(24, 16\) can have, 16; give a smaller rank",
        ),
    ],
)
def test_hyper_parameters_that_cannot_be_are_refused(models, tmp_path, recipe, message):
    with pytest.raises(UserError, match=message):
        merge({"method": "twin", **recipe}, models[0], models[1][:1], tmp_path / "out")
    assert not (tmp_path / "out").exists()
