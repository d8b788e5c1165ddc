"""What holds for every merging method: it equals its naive float64 reference to within one rounding to the output's
dtype, has the same tensors however the work is cut, tells its statistics, and refuses what it cannot merge."""

import json
import shutil

import numpy as np
import pytest
import torch
from merges import expected, merge, parse, stream
from methods.recipes import RECIPES, file_of, recipe_id, slow_models, works_on
from support import ROOT, load_tensors, save_model

from l2s.checkpoints.manifest import Parent
from l2s.config import validate
from l2s.contracts.merge_statistics import MERGE_STATISTICS
from l2s.contracts.parquet import read_table
from l2s.errors import UserError
from l2s.merging.engine.contract import Method
from l2s.merging.engine.recipe import Inputs, Recipe
from l2s.merging.engine.run import Workers, merge_checkpoint
from l2s.methods import method_names

# Every tensor of two layers, biases included, and a few of them with another seed.
CASES = {"float32": {"seed": 10, "full": True}, "bfloat16": {"seed": 0}}
COMPARED = [(recipe, slow) for recipe in RECIPES for slow in slow_models(recipe)]
ONE_EACH = list({recipe["method"]: recipe for recipe in reversed(RECIPES)}.values())


@pytest.fixture
def make_models(make_model):
    """Write a base and so many slow models near it: make_models(slow, seed) -> base, [slow …]."""

    def make(slow, seed=0, near=True, **options):
        base = make_model("base", seed, **options)
        close = {"near": base} if near else {}
        return base, [make_model(f"slow{n}", seed + n, **close, **options) for n in range(1, slow + 1)]

    return make


@pytest.mark.parametrize("method", method_names("merging"))
def test_every_method_has_a_test_file_with_recipes_to_compare(method):
    recipes = [recipe for recipe in RECIPES if recipe["method"] == method]
    if not recipes:
        file = file_of(method).relative_to(ROOT)
        pytest.fail(
            f"method '{method}' needs {file} with its RECIPES and reference: see CONTRIBUTING.md", pytrace=False
        )


@pytest.mark.parametrize("dtype", CASES)
@pytest.mark.parametrize(("recipe", "slow"), COMPARED, ids=recipe_id)
def test_merge_equals_the_float64_reference(make_models, tmp_path, recipe, slow, dtype):
    base, models = make_models(slow, **CASES[dtype])
    manifest = merge({**recipe, "dtype": dtype}, base, models, tmp_path / "out")
    merged, wanted = load_tensors(tmp_path / "out"), expected(recipe, base, models)
    assert merged.keys() == wanted.keys() == manifest.tensors.keys()
    # float32 sums may lose an ulp, decompositions more.
    relative = absolute = 1e-5 if works_on(recipe) == "matrices" else 6e-7
    if dtype == "bfloat16":
        # It keeps 8 bits of a value, so that one rounding is off by at most 2**-9 of it.
        relative = 2**-8
    for name, values in wanted.items():
        assert merged[name].dtype == getattr(torch, dtype)
        np.testing.assert_allclose(merged[name].double().numpy(), values, rtol=relative, atol=absolute, err_msg=name)


@pytest.mark.parametrize("recipe", RECIPES, ids=recipe_id)
def test_tensors_do_not_depend_on_chunks_threads_or_sharding(make_models, tmp_path, recipe):
    base, slow = make_models(max(slow_models(recipe)), dtype=torch.bfloat16)
    sharded = tmp_path / "sharded"
    sharded.mkdir()
    save_model(sharded, load_tensors(slow[0]), shards=3)
    shutil.copy(slow[0] / "config.json", sharded)
    whole = stream(recipe, base, slow, tmp_path / "a", threads=1, chunk=1 << 20)
    cut = {**recipe, "max_shard_gb": 1e-6}
    small = stream(cut, base, [sharded, *slow[1:]], tmp_path / "b", threads=3, chunk=37)
    assert {name: record.sha256 for name, record in whole.items()} == {n: r.sha256 for n, r in small.items()}
    assert len(list((tmp_path / "b").glob("*.safetensors"))) > 1


@pytest.mark.parametrize("recipe", RECIPES, ids=recipe_id)
def test_statistics_equal_those_of_the_whole_tensors(make_models, tmp_path, recipe):
    base, slow = make_models(min(slow_models(recipe)), near=False)
    manifest = merge({**recipe, "dtype": "float32"}, base, slow, tmp_path / "out")
    rows = read_table(tmp_path / "out" / "statistics.parquet", MERGE_STATISTICS).to_pylist()
    start, merged = load_tensors(base), load_tensors(tmp_path / "out")
    read = [load_tensors(path) for path in slow]
    # Without a base, the quick model is the first of the models, and what the others are measured against.
    read = read if parse(recipe, base, slow)[0].method.needs_base else [start, *read]
    order = json.loads((tmp_path / "out" / "manifest.json").read_text())["tensors"]
    assert [(row["tensor"], row["model"]) for row in rows] == [
        (name, number) for name in order for number in range(1, len(read) + 1)
    ]
    assert manifest.tensors.keys() == order.keys()
    for row in rows:
        name = row["tensor"]
        moved = read[row["model"] - 1]
        if moved is start:
            continue
        change, vector = (merged[name] - start[name]).double(), (moved[name] - start[name]).double()
        assert row["elements"] == change.numel()
        assert row["base_norm"] == pytest.approx(float(start[name].double().norm()), rel=1e-5)
        assert row["task_vector_norm"] == pytest.approx(float(vector.norm()), rel=1e-5)
        assert row["merged_norm"] == pytest.approx(float(change.norm()), rel=1e-4)
        assert row["cosine"] == pytest.approx(float((change * vector).sum() / change.norm() / vector.norm()), rel=1e-4)
        assert row["shifts_over_bound"] == pytest.approx(float((vector.abs() > 0.002).double().mean()), abs=1e-9)
        assert row["changed"] == pytest.approx(float((change != 0).double().mean()), abs=0.02)
        assert row["layer"] == (int(name.split(".")[2]) if ".layers." in name else None)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("recipe", ONE_EACH, ids=recipe_id)
def test_nan_or_infinity_in_a_model_names_the_tensor_and_leaves_nothing(make_models, tmp_path, recipe, value):
    base, slow = make_models(min(slow_models(recipe)))
    tensors = load_tensors(slow[-1])
    tensors["model.layers.0.mlp.down_proj.weight"][3, 5] = value
    save_model(slow[-1], tensors)
    with pytest.raises(UserError, match=r"slow.*down_proj.weight.*NaN or infinity"):
        merge(recipe, base, slow, tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} <= {"base", "calibrations", *(path.name for path in slow)}


class KeepsTheBase(Method):
    """A method whose result shows nothing of what is wrong with a model."""

    def merge(self, chunk, tally):
        return chunk.base


def test_infinity_is_found_though_the_method_hides_it(make_models, tmp_path):
    base, (slow,) = make_models(1)
    tensors = load_tensors(slow)
    tensors["model.layers.1.mlp.down_proj.weight"][3, 5] = torch.inf
    save_model(slow, tensors)
    inputs = Inputs(base=str(base), models=(str(slow),))
    parents = [(Parent(used_as="base", source=str(base)), base), (Parent(used_as="model", source=str(slow)), slow)]
    with pytest.raises(UserError, match=r"slow1.*layers.1.mlp.down_proj.weight.*NaN or infinity"):
        merge_checkpoint(
            Recipe(method=KeepsTheBase(method="keeps"), inputs=inputs), parents, tmp_path / "out", Workers(1)
        )


# ---- how many models


class Pairwise(Method):
    """A method with limits."""

    min_models = 2
    max_models = 3

    def merge(self, chunk, tally):
        return chunk.base


class One(Pairwise):
    min_models = max_models = 1


class OfFour(Pairwise):
    needs_base = False
    min_models = max_models = 4


@pytest.mark.parametrize(
    ("kind", "models", "message"),
    [
        (Pairwise, 1, "merges 2 to 3 models beside the base, but 'models' lists 1; give more of them"),
        (
            Pairwise,
            4,
            "merges 2 to 3 models beside the base, but 'models' lists 4; take some out, or use another method",
        ),
        (One, 2, "merges 1 model beside the base, but 'models' lists 2; take some out, or use another method"),
        (
            OfFour,
            3,
            "merges 4 models, but 'models' lists 3; give more of them: it takes all models, the quick one first",
        ),
    ],
)
def test_too_few_or_too_many_models_are_refused_in_one_line(kind, models, message):
    base = {"base": "b"} if kind.needs_base else {}
    inputs = {**base, "models": [str(number) for number in range(models)]}
    with pytest.raises(UserError) as refused:
        validate(Recipe, {"method": kind(method="x"), "inputs": inputs}, "recipe.yaml")
    assert str(refused.value) == f"recipe.yaml: method 'x' {message}"


@pytest.mark.parametrize(
    ("recipe", "slow", "allowed"),
    [
        ({"method": "lore"}, 0, "2 or more models,"),
        ({"method": "sens"}, 2, "1 model beside"),
        ({"method": "aim", "of": {"method": "sens"}}, 2, "1 model beside"),
        ({"method": "aim", "of": {"method": "lore"}}, 1, None),
        ({"method": "sens", "variant": "published"}, 3, None),
    ],
)
def test_limits_follow_hyper_parameters_and_nested_recipes(tmp_path, recipe, slow, allowed):
    models = [tmp_path / str(number) for number in range(slow)]
    if allowed is None:
        assert parse(recipe, tmp_path, models)
        return
    with pytest.raises(UserError, match=f"method '{recipe['method']}' merges {allowed}"):
        parse(recipe, tmp_path, models)
