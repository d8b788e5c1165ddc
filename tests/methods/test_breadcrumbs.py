"""Model Breadcrumbs."""

import numpy as np
import pytest
import torch
from merges import merge, parse
from support import load_tensors, save_model

from l2s.errors import UserError
from methods.test_task_arithmetic import add_scaled_sum

RECIPES = [{"keep_fraction": 0.7, "drop_largest": 0.1}, {"keep_fraction": 0.4, "drop_largest": 0, "scale": 1.5}]


def reference(given, method):
    kept = [
        {name: band(values, method.keep_fraction, method.drop_largest) for name, values in vector.items()}
        for vector in given.task_vectors()
    ]
    return add_scaled_sum(given.base, kept, method.scale)


def band(values, keep_fraction, drop_largest):
    """Keep, of all magnitudes sorted, those after the largest ones."""
    ranked = np.sort(np.abs(values.astype("f4")).ravel())[::-1]
    first = int(round(drop_largest * ranked.size, 6))
    last = first + max(1, int(round(keep_fraction * ranked.size, 6))) - 1
    magnitudes = np.abs(values.astype("f4"))
    return np.where((magnitudes >= ranked[last]) & (magnitudes <= ranked[first]), values, 0)


def test_breadcrumbs_drops_the_largest_and_the_smallest_shifts_of_each_tensor(make_model, tmp_path):
    base = make_model("base", 0)
    name = "model.layers.0.mlp.down_proj.weight"
    tensors = load_tensors(base)
    size = tensors[name].numel()
    # Multiples of a power of two, so that no difference is rounded.
    tensors[name].copy_((tensors[name] * 16).round() / 16)
    save_model(base, tensors)
    shifts = torch.arange(1, size + 1).view(tensors[name].shape) / 1024
    slow = make_model("slow", 0)
    save_model(slow, {**tensors, name: tensors[name] + shifts})
    recipe = {"method": "breadcrumbs", "keep_fraction": 0.5, "drop_largest": 0.25, "dtype": "float32"}
    merge(recipe, base, [slow], tmp_path / "out")
    moved = (load_tensors(tmp_path / "out")[name] - tensors[name]).flatten()
    assert moved.nonzero().flatten().tolist() == list(range(size // 4, size * 3 // 4))


def test_breadcrumbs_refuses_shares_that_make_more_than_one(tmp_path):
    recipe = {"method": "breadcrumbs", "keep_fraction": 0.9, "drop_largest": 0.2}
    with pytest.raises(UserError, match=r"keep_fraction 0.9 and drop_largest 0.2 make more than 1; lower one of them"):
        parse(recipe, tmp_path, [tmp_path])
