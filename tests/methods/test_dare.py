"""DARE, and its masks."""

import numpy as np
import pytest

from l2s.merging.engine.random_masks import keep_mask

RECIPES = [{"drop_rate": 0.3, "seed": 5}]


def reference(given, method):
    vectors = drop_and_rescale(given, method)
    return {
        name: np.mean([start, *(start + vector[name] for vector in vectors)], axis=0)
        for name, start in given.base.items()
    }


def drop_and_rescale(given, method):
    kept = 1 - round(method.drop_rate * 65536) / 65536
    dropped = []
    for ordinal, vector in enumerate(given.task_vectors()):
        dropped.append({})
        for name, values in vector.items():
            mask = keep_mask(method.seed, ordinal, name, 0, values.size, method.drop_rate)
            dropped[-1][name] = values * mask.reshape(values.shape) / kept
    return dropped


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
