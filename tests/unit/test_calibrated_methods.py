"""Calibrations of other models or texts, or altered ones, are refused; recipes inside recipes are checked."""

import pytest
import torch
from merges import write_calibration
from safetensors.torch import save_file

from l2s.contracts.calibrations import read_calibration
from l2s.errors import UserError
from l2s.merging.engine.recipe import parse_recipe


def test_a_calibration_of_another_model_is_refused(tmp_path):
    path = write_calibration(tmp_path, "a", "activations", ("one",), {"w": torch.ones(3)})
    with pytest.raises(UserError, match=r"a.json: was measured on the models with content_id one, but .* has two"):
        read_calibration(path, "activations", ("two",), "set", "quick")
    with pytest.raises(UserError, match=r"a.json: holds activations, but sensitivities are needed"):
        read_calibration(path, "sensitivities", ("one",), "set", "quick")


@pytest.mark.parametrize(("samples", "answer"), [("other", "quick"), ("set", "slow")])
def test_a_calibration_on_other_texts_is_refused(tmp_path, samples, answer):
    path = write_calibration(tmp_path, "a", "activations", ("one",), {"w": torch.ones(3)})
    with pytest.raises(UserError, match=f"on the quick answers of 'set', but .* the {answer} answers of '{samples}'"):
        read_calibration(path, "activations", ("one",), samples, answer)


def test_a_changed_data_file_is_refused(tmp_path):
    path = write_calibration(tmp_path, "a", "activations", ("one",), {"w": torch.ones(3)})
    save_file({"w": torch.zeros(3)}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=r"a.safetensors: is missing or not the file that a.json describes; measure"):
        read_calibration(path, "activations", ("one",), "set", "quick")


def test_nested_recipes_are_checked_and_spelled_out():
    values = {"method": "aim", "of": {"method": "ties"}, "base": "b", "models": ["m"]}
    recipe = parse_recipe(values, "r.yaml")
    assert recipe.resolved()["of"] == {"method": "ties", "keep_fraction": 0.2, "scale": 1.0, "trim": "tensor"}
    assert parse_recipe(recipe.resolved(), "again") == recipe
    with pytest.raises(UserError, match=r"r.yaml: key 'of': nested recipe: unknown key 'keep'; the keys are"):
        parse_recipe({**values, "of": {"method": "ties", "keep": 0.2}}, "r.yaml")
    with pytest.raises(UserError, match=r"r.yaml: key 'of': nested recipe: unknown method 'tie'; did you mean 'ties'"):
        parse_recipe({**values, "of": {"method": "tie"}}, "r.yaml")
