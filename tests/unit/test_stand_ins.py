"""Stand-ins take the places of entries wherever these are named, and nothing else tells a rehearsal from the paper."""

from pathlib import Path

import pytest
import yaml
from support import ROOT

from l2s.errors import UserError
from l2s.experiment import Experiment
from l2s.experiment.registry import Registry
from l2s.experiment.schema import MainConfig

PAPER = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
REHEARSAL = {**PAPER, **yaml.safe_load((ROOT / "config" / "rehearsal.yaml").read_text())}


def experiment(**changes):
    return Experiment({**REHEARSAL, **changes}, Path("config"))


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_the_rehearsal_needs_neither_downloads_of_models_and_data_nor_a_gpu():
    rehearsed = experiment()
    registry = rehearsed.registry
    models = [name.removeprefix("models/") for name in rehearsed.checkpoints if name.startswith("models/")]
    assert len(models) == 11
    assert all(registry.model(name).path for name in models)
    calibrations = [c.calibration_data for merge in rehearsed.merges.values() for c in merge.calibrations.values()]
    methods = [trained.recipe.method for trained in rehearsed.trainings.values()]
    data = {*calibrations, *(method.calibration_data for method in methods)}
    assert {name: registry.calibration_data(name).count for name in data} == {
        "s1k": 100, "s1k-10": 10, "s1k-20": 20, "s1k-1000": 100, "s1k-random": 100, "s1k-attempt": 100,
    }  # fmt: skip
    assert all(registry.calibration_data(name).source.path for name in data)
    assert {method.device for method in methods} == {"cpu"}
    assert {rehearsed.decoding_of(*asked).gpus for asked in rehearsed.asked} == {0}
    shown = {rehearsed.prompt_of(*asked).few_shot for asked in rehearsed.asked} - {None}
    assert [few_shot.examples for few_shot in shown] == ["rehearsal"]


def labels_of_references(built, study):
    return [built.registry.model(line.reference.removeprefix("models/")).label for line in built.lines[study]]


def test_the_rehearsals_tables_have_the_papers_lines():
    paper, rehearsed = Experiment(PAPER, Path("config")), experiment()
    assert list(rehearsed.lines) == list(paper.lines)
    for study, lines in rehearsed.lines.items():
        assert [(line.pair, line.recipe) for line in lines] == [(line.pair, line.recipe) for line in paper.lines[study]]
        assert labels_of_references(rehearsed, study) == labels_of_references(paper, study)
        assert rehearsed.studies[study].title == REHEARSAL["title_prefix"] + paper.studies[study].title


def test_a_model_without_label_is_called_by_its_own_name(tmp_path):
    (tmp_path / "models").mkdir()
    for name, label in {"plain": None, "tiny": "tiny label"}.items():
        values = {"path": str(ROOT / "workflow/resources/demo/quick"), "label": label}
        (tmp_path / "models" / f"{name}.yaml").write_text(yaml.safe_dump(values))
    stand_ins = {"models": {"plain": "tiny"}}
    registry = Registry(tmp_path, MainConfig(results="r", studies=("any",), merge_threads=1, stand_ins=stand_ins))
    assert (registry.model("plain").label, registry.model("tiny").label) == ("plain", "tiny label")


@pytest.mark.parametrize(
    ("stand_ins", "message"),
    [
        ({"models": {"qwen3-8c": "demo-quick"}}, r"^key 'stand_ins.models' of .*: 'qwen3-8c' is unknown.*'qwen3-8b'"),
        ({"models": {"qwen3-8b": "demo-quik"}}, r"^key 'stand_ins.models' of .*: 'demo-quik' is unknown.*'demo-quick'"),
        (
            {"modles": {"qwen3-8b": "demo-quick"}},
            r"configuration.*: key 'stand_ins.modles.*': Input should be 'models'",
        ),
    ],
)
def test_unknown_names_of_stand_ins_are_refused(stand_ins, message):
    with pytest.raises(UserError, match=message):
        experiment(stand_ins=stand_ins)
