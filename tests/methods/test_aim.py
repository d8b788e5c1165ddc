"""AIM over several recipes, with activations; activations that do not fit are refused."""

import numpy as np
import pytest
from merges import Given, expected, made_up_calibrations, merge, parse
from merges import reference as reference_of
from support import load_tensors

from l2s.errors import UserError

TIES = {"method": "ties", "keep_fraction": 0.3, "scale": 0.8}
RECIPES = [
    {"omega": 0.3, "of": TIES},
    {"omega": 0.3, "of": {"method": "average"}},
    {"omega": 0.3, "of": {"method": "dare_ta", "scale": 0.5}},
    {"omega": 0.3, "of": {"method": "sens"}},
    {"omega": 0.3, "of": {"method": "lore", "mu": 0.2, "iterations": 2}},
    {"omega": 0.3, "of": {"method": "twin", "rank": 3}},
]


def reference(given, method):
    inner = given
    if not method.of.needs_base:
        inner = Given(None, [given.base, *given.models], given.calibrations)
    relaxed = reference_of(inner, method.of)
    for name, means in given.calibrations["importance"].items():
        importance = means.astype("f8") / means.max()
        start = given.base[name]
        relaxed[name] = start + (relaxed[name] - start) * (1 - importance * (1 - method.omega))
    return relaxed


def test_aim_with_omega_one_is_the_inner_recipe(models, tmp_path):
    base, slow = models
    merge({"method": "aim", "omega": 1.0, "of": TIES, "dtype": "float32"}, base, slow, tmp_path / "out")
    merged = load_tensors(tmp_path / "out")
    for name, values in expected(TIES, base, slow).items():
        np.testing.assert_allclose(merged[name].double().numpy(), values, rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda means: None, "importance.json: has no activations of 'model.layers.0.input_layernorm.weight'"),
        (lambda means: means[:3], "'model.layers.0.input_layernorm.weight' has 3 channels, the tensor 16"),
        (lambda means: means * np.nan, "'model.layers.0.input_layernorm.weight' holds NaN"),
    ],
)
def test_activations_that_do_not_fit_the_tensors_are_refused(models, tmp_path, change, message):
    recipe, norm = {"method": "aim", "of": TIES}, "model.layers.0.input_layernorm.weight"
    parsed, _ = parse(recipe, models[0], models[1])
    data = made_up_calibrations(parsed.method.calibrations_needed(2), load_tensors(models[0]))
    changed = {**data["importance"], norm: change(data["importance"][norm])}
    given = {"importance": {name: means for name, means in changed.items() if means is not None}}
    with pytest.raises(UserError, match=message):
        merge(recipe, *models, tmp_path / "out", calibrations=given)
