"""Every entry of config/ is valid, and the paper's models, pairs and recipes fit each other."""

import pytest
from support import ROOT

from l2s.errors import UserError
from l2s.experiment.recipes import resolve
from l2s.experiment.registry import Registry
from l2s.experiment.schema import MainConfig
from l2s.experiment.trainings import is_training, resolve_training
from l2s.merging.engine.recipe import Inputs, parse_method

CONFIG = ROOT / "config"
PAPER_MODELS = {
    "qwen2.5-math-1.5b", "qwen2.5-math-7b", "qwen2.5-14b", "qwen2.5-32b", "qwq-32b", "qwen3-8b",
    "deepseek-r1-distill-qwen-1.5b", "deepseek-r1-distill-qwen-7b", "deepseek-r1-distill-qwen-14b",
    "deepseek-r1-distill-qwen-32b", "deepseek-r1-0528-qwen3-8b",
}  # fmt: skip
PAPER_PAIRS = {"1.5b", "7b", "14b", "32b", "32b-qwen-qwq", "32b-qwq-r1", "32b-qwen-r1-qwq", "qwen3-8b"}


def names(kind):
    return sorted(file.stem for file in (CONFIG / kind).glob("*.yaml"))


def configured(**keys):
    """Return the registry under a configuration with these keys."""
    return Registry(CONFIG, MainConfig(results="results", studies=("any",), merge_threads=1, **keys))


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.chdir(ROOT)
    return configured()


@pytest.mark.parametrize(
    ("folder", "read"),
    [
        ("models", "model"),
        ("pairs", "pair"),
        ("benchmarks", "benchmark"),
        ("calibration_data", "calibration_data"),
        ("decoding", "decoding"),
        ("prompts", "prompt"),
        ("studies", "study"),
    ],
)
def test_every_entry_is_valid_and_named_in_lower_case(registry, folder, read):
    for name in names(folder):
        assert name == name.lower()
        assert getattr(registry, read)(name, "test")


def test_the_papers_models_are_pinned_and_described(registry):
    assert set(names("models")) >= PAPER_MODELS
    described = {name: registry.model(name) for name in PAPER_MODELS}
    assert all(entry.repo and entry.label and entry.licence for entry in described.values())
    assert len({entry.source for entry in described.values()}) == len(PAPER_MODELS)
    # What is not known for certain is left out, see the entries' comments.
    assert [name for name, entry in described.items() if entry.bytes is None] == ["deepseek-r1-0528-qwen3-8b"]
    assert {name for name, entry in described.items() if entry.context_length is None} == {
        "deepseek-r1-0528-qwen3-8b", "qwq-32b",
    }  # fmt: skip
    assert [name for name, entry in described.items() if entry.tied] == ["qwen2.5-math-1.5b"]


@pytest.mark.parametrize("pair", sorted(PAPER_PAIRS))
def test_recipes_fit_the_papers_pairs(registry, pair):
    entry = registry.pair(pair, "test")
    for name in names("recipes"):
        values, where = registry.recipe(name, "test")
        if is_training(values, where):
            if len(entry.slow) == 1:
                assert [resolve_training(pair, entry, values, where, registry).model] == list(entry.slow)
            continue
        method = parse_method({key: value for key, value in values.items() if key not in Inputs.model_fields}, where)
        refused = None
        if method.needs_base and not entry.base_model:
            refused = f"needs a base, and pair '{pair}' has none"
        elif method.needs_base and method.max_models is not None and len(entry.slow) > method.max_models:
            refused = f"merges {method.max_models} model beside the base, but 'models' lists {len(entry.slow)}"
        if refused:
            with pytest.raises(UserError, match=f"method '{values['method']}' {refused}"):
                resolve(pair, entry, values, where, registry)
        else:
            merge = resolve(pair, entry, values, where, registry)
            assert set(merge.models.values()) <= set(entry.models)


def test_mixtures_of_three_average_all_of_their_models(registry):
    values, where = registry.recipe("average", "test")
    merge = resolve("32b-qwen-r1-qwq", registry.pair("32b-qwen-r1-qwq", "test"), values, where, registry)
    assert sorted(merge.models.values()) == ["deepseek-r1-distill-qwen-32b", "qwen2.5-32b", "qwq-32b"]


def test_local_files_stand_in_for_the_network(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    (tmp_path / "aime24.jsonl").write_text("")
    registry = configured(benchmark_files=str(tmp_path))
    assert registry.benchmark("aime24").source.path == f"{tmp_path}/aime24.jsonl"
    assert registry.benchmark("aime24").sha256 == configured().benchmark("aime24").sha256
    assert registry.benchmark("demo_arithmetic") == configured().benchmark("demo_arithmetic")
    with pytest.raises(UserError, match=r"key 'benchmark_files' .*: there is no file .*/gsm8k.jsonl; put the"):
        registry.benchmark("gsm8k")
