"""At which context lengths the paper's studies read responses, and where a budget is beyond reach."""

import shutil

import pytest
import yaml
from support import ROOT

from l2s.experiment import Experiment
from l2s.experiment.context_lengths import budgets, read_at, unreachable_budget, unreachable_budgets, within_budget
from l2s.experiment.studies.table import TableStudy

PAPER = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())


@pytest.fixture(scope="module")
def experiment():
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return Experiment(PAPER, ROOT / "config")


def merged(experiment, study):
    return [line.checkpoint for line in experiment.lines[study] if line.checkpoint in experiment.merges]


def test_the_papers_studies_count_as_its_authors_did(experiment):
    # table_6_words is there to show the other way of counting.
    tables = [
        study for name, study in experiment.studies.items() if isinstance(study, TableStudy) and name != "table_6_words"
    ]
    assert {(study.length, study.reflection) for study in tables} == {("retokenized", "released")}


def test_only_merged_checkpoints_of_studies_that_ask_for_it_are_read_at_another_context_length(experiment):
    assert {tuple(read_at(experiment, name, "paper")) for name in merged(experiment, "table_1")} == {(4096,)}
    assert {tuple(read_at(experiment, name, "paper")) for name in merged(experiment, "table_3")} == {()}
    others = {line.checkpoint for line in experiment.lines["table_1"]} - set(merged(experiment, "table_1"))
    assert others and not any(read_at(experiment, name, "paper") for name in others)
    assert read_at(experiment, merged(experiment, "table_1")[0], "demo") == []


def test_every_checkpoint_of_a_study_is_read_at_the_budgets_that_are_not_beyond_its_own(experiment):
    asked = list(experiment.studies["table_1"].budgets)
    assert asked and max(asked) == 8192
    for line in experiment.lines["table_1"]:
        assert budgets(experiment, line.checkpoint, "paper") == asked, line
    (other,) = {line.reference for line in experiment.lines["table_3"]}
    assert budgets(experiment, other, "paper") == []
    assert within_budget(experiment, other, "paper", [1, 10240, 10241]) == [1, 10240]


def test_the_quick_models_at_1_5b_and_7b_can_never_use_up_their_budget(experiment):
    said = {name: unreachable_budget(experiment, name, decoding) for name, decoding in experiment.asked}
    assert {name for name, sentence in said.items() if sentence and name.startswith("models/")} == {
        "models/qwen2.5-math-1.5b", "models/qwen2.5-math-7b"
    }  # fmt: skip
    released = {name for name, merge in experiment.merges.items() if merge.recipe.released}
    assert {name for name, sentence in said.items() if sentence and name in experiment.merges} == released
    sentence = said["models/qwen2.5-math-7b"]
    assert sentence.startswith("Qwen2.5-Math-7B: ") and "4,096" in sentence and "8,192" in sentence
    assert unreachable_budgets(experiment, "table_1") == [sentence]
    assert unreachable_budgets(experiment, "table_3") == []


def test_a_context_length_of_the_decode_settings_puts_a_budget_beyond_reach(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    folder = shutil.copytree(ROOT / "config", tmp_path / "config")
    settings = yaml.safe_load((folder / "decoding" / "paper.yaml").read_text())
    capped = yaml.safe_dump({**settings, "context_length": {"merged": 4096}})
    (folder / "decoding" / "capped.yaml").write_text(capped)
    capped = Experiment({**PAPER, "studies": ["table_1"], "decoding": "capped"}, folder)
    checkpoint = merged(capped, "table_1")[0]
    assert "4,096 tokens, so that no response can use up the budget of 10,240" in unreachable_budget(
        capped, checkpoint, "capped"
    )


def test_a_merge_as_released_has_the_context_length_of_its_base(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    folder = shutil.copytree(ROOT / "config", tmp_path / "config")
    study = yaml.safe_load((folder / "studies" / "table_1.yaml").read_text())
    recipes = [{"recipe": "task_arithmetic", "fidelity": ["exact", "released"]}]
    (folder / "studies" / "both.yaml").write_text(yaml.safe_dump({**study, "recipes": recipes}))
    both = Experiment({**PAPER, "studies": ["both"]}, folder)
    exact, released = (unreachable_budget(both, name, "paper") for name in merged(both, "both"))
    assert exact is None and released.startswith("task_arithmetic, scale 0.7, fidelity released: ")


def test_a_merge_is_not_read_again_at_the_context_length_that_it_has(experiment):
    at = {line.recipe: read_at(experiment, line.checkpoint, "paper") for line in experiment.lines["table_2_released"]}
    merges = {
        recipe: lengths for recipe, lengths in at.items() if recipe not in ("Qwen2.5-Math-1.5B", "DeepSeek-R1-1.5B")
    }
    assert len(merges) == 10
    for recipe, lengths in merges.items():
        assert lengths == ([] if "fidelity released" in recipe else [4096])
