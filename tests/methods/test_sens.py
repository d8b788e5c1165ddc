"""Sens as released and as published, with sensitivities and distances of logits; data that do not fit are refused."""

import numpy as np
import pytest
from merges import made_up_calibrations, merge, parse
from support import load_tensors

from l2s.checkpoints.tensor_names import layer_of
from l2s.errors import UserError

RECIPES = [
    {"scale": 0.6, "temperature": 1.5},
    {"variant": "published", "scale": 0.9, "temperature": 0.5},
]


def reference(given, method):
    names = ["quick", *(f"slow_{number + 1}" for number in range(len(given.models)))]
    profiles = np.stack([profile(given.calibrations[name]) for name in names])
    released = method.variant == "released"
    tau = None if released else closeness(given.calibrations, names)
    merged = {}
    for name, base in given.base.items():
        vectors = [model[name] - base for model in given.models]
        layer = layer_of(name)
        if released:
            own = None if layer is None else profiles[:, layer]
            merged[name] = as_released(base, vectors[0], own, method)
        else:
            own = profiles.mean(axis=1) if layer is None else profiles[:, layer]
            shares = softmax(own * tau / method.temperature)[1:]
            added = sum(share * vector for share, vector in zip(shares, vectors, strict=True))
            merged[name] = base + method.scale * len(names) * added
    return merged


def as_released(base, vector, sensitivities, method):
    quick, slow = 1.0, 1.0
    if sensitivities is not None:
        weights = np.array([1 - method.scale, method.scale])
        quick, slow = 2 * softmax(weights * sensitivities / method.temperature)
    return quick * base + slow * method.scale * vector


def profile(rows):
    """Return a model's sensitivity of each layer, scaled to length 1."""
    sums = [sum(row["sensitivity"] for row in rows if row["layer"] == layer) for layer in (0, 1)]
    return np.array(sums) / np.linalg.norm(sums)


def closeness(calibrations, names):
    """Return for each model how far the others are on its own answers, scaled to sum 1."""

    def distance(other, name):
        return np.mean([row["distance"] for row in calibrations[f"{other}_from_{name}"]])

    sums = [sum(distance(other, name) for other in names if other != name) for name in names]
    return np.array(sums) / sum(sums)


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum()


def test_models_read_crossed_answers_as_released_their_own_as_published_and_one_for_all_if_told(models):
    def answers(**values):
        parsed, _ = parse({"method": "sens", **values}, models[0], models[1][:1])
        return {name: asked.answer for name, asked in parsed.method.calibrations_needed(1).items()}

    published = {"quick": "quick", "slow_1": "slow", "slow_1_from_quick": "quick", "quick_from_slow_1": "slow"}
    assert answers() == {"quick": "slow", "slow_1": "quick"}
    assert answers(variant="published") == published
    assert answers(answer="both") == {"quick": "both", "slow_1": "both"}
    assert answers(variant="published", answer="slow") == dict.fromkeys(published, "slow")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [row for row in rows if row["layer"] != 1], "quick.json: layer 1 is in the sensitivities or"),
        (lambda rows: [{**row, "sensitivity": float("nan")} for row in rows], "quick.json: .* have length nan"),
        (lambda rows: [{**row, "sensitivity": 0.0} for row in rows], "quick.json: .* have length 0.0; measure"),
    ],
)
def test_sensitivities_that_do_not_fit_are_refused(models, tmp_path, change, message):
    base, slow = models[0], models[1][:1]
    parsed, _ = parse({"method": "sens"}, base, slow)
    data = made_up_calibrations(parsed.method.calibrations_needed(1), load_tensors(base))
    with pytest.raises(UserError, match=message):
        merge({"method": "sens"}, base, slow, tmp_path / "out", calibrations={**data, "quick": change(data["quick"])})
