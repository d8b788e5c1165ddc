"""TIES."""

import numpy as np
from merges import merge
from support import load_tensors

RECIPES = [
    {"keep_fraction": 0.2, "scale": 1.0},
    {"keep_fraction": 0.35, "scale": 0.6, "trim": "model"},
]


def reference(given, method):
    return add_disjoint_mean(given.base, given.task_vectors(), method)


def add_disjoint_mean(base, vectors, method):
    kept = trim(vectors, method.keep_fraction, method.trim)
    return {name: start + method.scale * disjoint_mean([v[name] for v in kept]) for name, start in base.items()}


def trim(vectors, keep_fraction, scope):
    """Zero what is smaller than the k-th largest magnitude, found by sorting."""

    def threshold(values):
        ranked = np.sort(np.abs(values.astype("f4")).ravel())[::-1]
        return ranked[int(np.ceil(round(keep_fraction * ranked.size, 6))) - 1]

    trimmed = []
    for vector in vectors:
        whole = threshold(np.concatenate([values.ravel() for values in vector.values()]))
        bound = {name: whole if scope == "model" else threshold(values) for name, values in vector.items()}
        trimmed.append({name: np.where(np.abs(v.astype("f4")) >= bound[name], v, 0) for name, v in vector.items()})
    return trimmed


def disjoint_mean(vectors):
    """Average at each place what has the sign of the sum; a sum that only rounding keeps from zero has none."""
    stacked = np.stack(vectors)
    total = stacked.sum(axis=0)
    elected = np.sign(np.where(np.abs(total) > 1e-12, total, 0))
    agreeing = np.where(np.sign(stacked) == elected, stacked, 0)
    return agreeing.sum(axis=0) / np.maximum((agreeing != 0).sum(axis=0), 1)


def test_ties_with_one_task_vector_keeps_exactly_the_largest_shifts(make_model, tmp_path, capsys):
    base = make_model("base", 0)
    slow = make_model("slow", 1, near=base)
    merge({"method": "ties", "keep_fraction": 0.25, "dtype": "float32"}, base, [slow], tmp_path / "out")
    before, after = load_tensors(base), load_tensors(tmp_path / "out")
    for name, tensor in after.items():
        assert (tensor != before[name]).sum() == -(-tensor.numel() // 4)
    assert "changed: 25" in (said := capsys.readouterr().out) and "(keep_fraction 25.0%, and all that" in said
