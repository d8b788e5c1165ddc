"""AIM and Sens equal naive float64 computations; calibrations that do not fit are refused."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support import load_tensors
from test_methods import merge as merge_without
from test_methods import reference

from l2s.checkpoints.manifest import Parent
from l2s.checkpoints.tensor_names import layer_of
from l2s.contracts.calibrations import (
    LOGIT_DISTANCES,
    SENSITIVITIES,
    SUFFIX,
    CalibrationManifest,
    read_calibration,
    write_manifest,
)
from l2s.contracts.parquet import table_of, write_table
from l2s.errors import UserError
from l2s.files import sha256_file
from l2s.merging.engine.recipe import parse_recipe
from l2s.merging.engine.run import Workers, merge_checkpoint

TIES = {"method": "ties", "keep_fraction": 0.3, "scale": 0.8}
TOLERANCE = {"rtol": 1e-6, "atol": 1e-6}


def write_calibration(folder, name, kind, models, data):
    """Write a calibration's two files; return its manifest's path."""
    file = folder / f"{name}{SUFFIX[kind]}"
    if kind == "activations":
        save_file(data, file)
    else:
        write_table(table_of(data, SENSITIVITIES if kind == "sensitivities" else LOGIT_DISTANCES), file)
    values = {
        "calibration_data": "set",
        "calibration_data_sha256": "0",
        "answer": "quick",
        "text": "",
        "max_tokens": 9,
        "count": 1,
    }
    counts = {"tokens": 9, "answer_tokens": 3, "cut": 0, "file": file.name, "sha256": sha256_file(file)}
    path = folder / f"{name}.json"
    write_manifest(CalibrationManifest(kind=kind, models=models, **values, **counts), path)
    return path


def activations_of(tensors, seed=0):
    generator = torch.Generator().manual_seed(seed)
    names = [name for name in tensors if "embed_tokens" not in name]
    return {name: torch.rand(tensors[name].shape[-1], generator=generator) + 0.1 for name in names}


def sensitivities_of(tensors, seed=0):
    rng = np.random.default_rng(seed)
    return [
        {"tensor": name, "layer": layer_of(name), "elements": tensor.numel(), "sensitivity": rng.uniform(1, 5)}
        for name, tensor in tensors.items()
    ]


def distances_of(value):
    return [{"row_id": str(n), "tokens": 3, "distance": value + n} for n in range(4)]


@pytest.fixture
def models(make_model):
    base = make_model("base", 0)
    return base, [make_model(f"slow{seed}", seed, near=base) for seed in (1, 2)]


@pytest.fixture
def merge(models, tmp_path):
    """Merge with calibrations given as name -> (kind, models, data); return float64 tensors."""

    def run(recipe, calibrations, slow_models=1):
        base, slow = models[0], models[1][:slow_models]
        parsed = parse_recipe(
            {**recipe, "dtype": "float32", "base": str(base), "models": [str(path) for path in slow]}, "test"
        )
        read = {}
        for name, (kind, of, data) in calibrations.items():
            path = write_calibration(tmp_path, name, kind, of, data)
            read[name] = read_calibration(path, kind, of, "set", "quick")
        assert list(read) == list(parsed.method.calibrations_needed(slow_models))
        parents = [(Parent(used_as="base", source=str(base)), base)]
        parents += [(Parent(used_as="model", source=str(path)), path) for path in slow]
        manifest = merge_checkpoint(parsed, parents, tmp_path / "out", Workers(2), calibrations=read)
        assert [record.name for record in manifest.calibrations] == list(read)
        return load_tensors(tmp_path / "out")

    return run


@pytest.mark.parametrize("slow_models", [1, 2])
@pytest.mark.parametrize("inner", [TIES, {"method": "average"}, {"method": "dare_ta", "scale": 0.5}])
def test_aim_relaxes_the_merged_model_towards_the_base(models, merge, inner, slow_models):
    base = load_tensors(models[0])
    activations = activations_of(base)
    recipe = {"method": "aim", "omega": 0.3, "of": inner}
    merged = merge(recipe, {"importance": ("activations", ("base",), activations)}, slow_models)
    plain = {"drop_rate": 0.3, **inner} if inner["method"] == "dare_ta" else inner
    relaxed_from = reference(plain, models[0], models[1][:slow_models])
    for name, tensor in merged.items():
        expected = relaxed_from[name]
        if name in activations:
            importance = (activations[name] / activations[name].max()).double().numpy()
            start = base[name].double().numpy()
            expected = start + (expected - start) * (1 - importance * (1 - 0.3))
        np.testing.assert_allclose(tensor.double().numpy(), expected, **TOLERANCE, err_msg=name)


def test_aim_with_omega_one_is_the_inner_recipe(models, merge):
    activations = activations_of(load_tensors(models[0]))
    merged = merge({"method": "aim", "omega": 1.0, "of": TIES}, {"importance": ("activations", ("b",), activations)})
    for name, expected in reference(TIES, models[0], models[1][:1]).items():
        np.testing.assert_allclose(merged[name].double().numpy(), expected, **TOLERANCE, err_msg=name)


@pytest.mark.parametrize("inner", [{"method": "lore", "mu": 0.2}, {"method": "twin", "rank": 3}])
def test_aim_relaxes_what_a_method_on_matrices_made(models, merge, tmp_path, inner):
    base = load_tensors(models[0])
    merge_without({**inner, "dtype": "float32"}, models[0], models[1][:1], tmp_path / "inner")
    activations = activations_of(base)
    recipe = {"method": "aim", "omega": 0.3, "of": inner}
    merged = merge(recipe, {"importance": ("activations", ("base",), activations)})
    for name, tensor in load_tensors(tmp_path / "inner").items():
        factor = 1 - activations[name] / activations[name].max() * 0.7 if name in activations else 1
        torch.testing.assert_close(merged[name], base[name] + (tensor - base[name]) * factor, rtol=1e-6, atol=1e-6)


def profile(rows):
    sums = [sum(row["sensitivity"] for row in rows if row["layer"] == layer) for layer in (0, 1)]
    return np.array(sums) / np.linalg.norm(sums)


def test_released_sens_is_what_the_released_code_computes(models, merge):
    base, slow = load_tensors(models[0]), load_tensors(models[1][0])
    of_quick, of_slow = sensitivities_of(base, 1), sensitivities_of(base, 2)
    alpha, temperature = 0.6, 1.5
    merged = merge(
        {"method": "sens", "scale": alpha, "temperature": temperature},
        {"quick": ("sensitivities", ("q",), of_quick), "slow_1": ("sensitivities", ("s",), of_slow)},
    )
    logits = np.stack([(1 - alpha) * profile(of_quick), alpha * profile(of_slow)]) / temperature
    coefficients = 2 * np.exp(logits) / np.exp(logits).sum(axis=0)
    for name, tensor in merged.items():
        start, delta = base[name].double().numpy(), (slow[name] - base[name]).double().numpy()
        layer = layer_of(name)
        quick, other = (1.0, 1.0) if layer is None else coefficients[:, layer]
        expected = quick * start + other * alpha * delta
        np.testing.assert_allclose(tensor.double().numpy(), expected, **TOLERANCE, err_msg=name)


def test_published_sens_weighs_own_and_cross_sensitivity(models, merge):
    base = load_tensors(models[0])
    deltas = [
        {name: (tensor - base[name]).double().numpy() for name, tensor in load_tensors(path).items()}
        for path in models[1]
    ]
    rows = {name: sensitivities_of(base, seed) for seed, name in enumerate(("quick", "slow_1", "slow_2"))}
    calibrations, tau = {}, []
    for number, (name, own) in enumerate(rows.items()):
        calibrations[name] = ("sensitivities", (name,), own)
        tau.append(0.0)
        for other in rows:
            if other != name:
                distance = 1.0 + number + len(calibrations)
                calibrations[f"{other}_from_{name}"] = ("logit_distances", (name, other), distances_of(distance))
                tau[-1] += distance + 1.5  # the mean of distances_of
    merged = merge(
        {"method": "sens", "variant": "published", "scale": 0.9, "temperature": 0.5}, calibrations, slow_models=2
    )
    tau = np.array(tau) / sum(tau)
    own = np.stack([profile(value) for value in rows.values()])
    for name, tensor in merged.items():
        layer = layer_of(name)
        s = own.mean(axis=1) if layer is None else own[:, layer]
        sigma = np.exp(s * tau / 0.5) / np.exp(s * tau / 0.5).sum()
        start = base[name].double().numpy()
        expected = start + 0.9 * 3 * sum(sigma[n + 1] * deltas[n][name] for n in range(2))
        np.testing.assert_allclose(tensor.double().numpy(), expected, **TOLERANCE, err_msg=name)


def test_a_calibration_of_another_model_is_refused(tmp_path):
    path = write_calibration(tmp_path, "a", "activations", ("one",), {"w": torch.ones(3)})
    with pytest.raises(UserError, match=r"a.json: was measured on the models with content_id one, but .* has two"):
        read_calibration(path, "activations", ("two",), "set", "quick")
    with pytest.raises(UserError, match=r"a.json: holds activations, but sensitivities are needed"):
        read_calibration(path, "sensitivities", ("one",), "set", "quick")


@pytest.mark.parametrize(("data", "answer"), [("other", "quick"), ("set", "slow")])
def test_a_calibration_on_other_texts_is_refused(tmp_path, data, answer):
    path = write_calibration(tmp_path, "a", "activations", ("one",), {"w": torch.ones(3)})
    with pytest.raises(UserError, match=f"on the quick answers of 'set', but .* the {answer} answers of '{data}'"):
        read_calibration(path, "activations", ("one",), data, answer)


def test_a_changed_data_file_is_refused(tmp_path):
    path = write_calibration(tmp_path, "a", "activations", ("one",), {"w": torch.ones(3)})
    save_file({"w": torch.zeros(3)}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=r"a.safetensors: is missing or not the file that a.json describes; measure"):
        read_calibration(path, "activations", ("one",), "set", "quick")


def test_calibrations_that_do_not_fit_the_tensors_are_refused(models, merge):
    base = load_tensors(models[0])
    aim = {"method": "aim", "of": TIES}
    good = activations_of(base)
    norm = "model.layers.0.input_layernorm.weight"
    lacking = {name: value for name, value in good.items() if name != norm}
    with pytest.raises(UserError, match=r"importance.json: has no activations of 'model.layers.0.input_layernorm"):
        merge(aim, {"importance": ("activations", ("b",), lacking)})
    with pytest.raises(UserError, match=r"'model.layers.0.input_layernorm.weight' has 3 channels, the tensor 16"):
        merge(aim, {"importance": ("activations", ("b",), {**good, norm: torch.ones(3)})})
    with pytest.raises(UserError, match=r"'model.layers.0.input_layernorm.weight' holds NaN"):
        merge(aim, {"importance": ("activations", ("b",), {**good, norm: torch.full((16,), torch.nan)})})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [row for row in rows if row["layer"] != 1], r"quick.json: layer 1 is in the sensitivities or"),
        (lambda rows: [{**row, "sensitivity": float("nan")} for row in rows], r"quick.json: .* have length nan"),
        (lambda rows: [{**row, "sensitivity": 0.0} for row in rows], r"quick.json: .* have length 0.0; measure"),
    ],
)
def test_sensitivities_that_do_not_fit_are_refused(models, merge, change, message):
    rows = sensitivities_of(load_tensors(models[0]))
    calibrations = {"quick": ("sensitivities", ("q",), change(rows)), "slow_1": ("sensitivities", ("s",), rows)}
    with pytest.raises(UserError, match=message):
        merge({"method": "sens"}, calibrations)


def test_nested_recipes_are_checked_and_spelled_out():
    values = {"method": "aim", "of": {"method": "ties"}, "base": "b", "models": ["m"]}
    recipe = parse_recipe(values, "r.yaml")
    assert recipe.resolved()["of"] == {"method": "ties", "keep_fraction": 0.2, "scale": 1.0, "trim": "tensor"}
    assert parse_recipe(recipe.resolved(), "again") == recipe
    with pytest.raises(UserError, match=r"r.yaml: key 'of': nested recipe: unknown key 'keep'; the keys are"):
        parse_recipe({**values, "of": {"method": "ties", "keep": 0.2}}, "r.yaml")
    with pytest.raises(UserError, match=r"r.yaml: key 'of': nested recipe: unknown method 'tie'; did you mean 'ties'"):
        parse_recipe({**values, "of": {"method": "tie"}}, "r.yaml")
