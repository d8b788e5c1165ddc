"""What prune takes for unused."""

import shutil
from pathlib import Path

import pytest
import yaml
from support import ROOT

from l2s.experiment import Experiment
from l2s.grading.grades import grader_module
from l2s.grading.store import store_name
from l2s.layout import IMPORTED, Layout, imported
from l2s.unused import unused_paths


def test_verdicts_of_a_graders_earlier_code_are_unused_and_those_of_its_present_code_are_not(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    experiment = Experiment(yaml.safe_load((ROOT / "config" / "demo.yaml").read_text()), ROOT / "config")
    layout = Layout(str(tmp_path))
    folder = Path(layout.verdicts(*next(iter(experiment.asked))))
    earlier, other = folder / "toolkit~0123456789abcdef", Path(layout.verdicts("demo/ties/absent", "demo"))
    for path in (folder / store_name(grader_module("toolkit", "here")), earlier, other):
        path.mkdir(parents=True)
    assert unused_paths(experiment, layout) == sorted([earlier, other.parent])


@pytest.mark.parametrize("used", [True, False])
def test_an_import_that_a_study_shows_is_in_use_and_another_one_is_not(tmp_path, monkeypatch, used):
    monkeypatch.chdir(ROOT)
    config, generations, layout = tmp_path / "config", tmp_path / "theirs.jsonl", Layout(str(tmp_path / "results"))
    shutil.copytree(ROOT / "config", config)
    generations.touch()
    files = [{"file": str(generations), "format": "plain", "benchmark": "math500"}]
    study = {"title": "Theirs", "imports": ["theirs"], "benchmarks": ["math500"], "grader": "toolkit"}
    (config / "imports" / "theirs.yaml").write_text(yaml.safe_dump({"tokenizer": "demo-quick", "files": files}))
    (config / "studies" / "theirs.yaml").write_text(yaml.safe_dump(study))
    asked = (imported("theirs"), IMPORTED)
    kept = [Path(layout.responses(*asked)), Path(layout.shard(*asked)), Path(layout.grades(*asked, "toolkit"))]
    kept.append(Path(layout.verdicts(*asked), store_name(grader_module("toolkit", "here")), "chunk.parquet"))
    for path in kept:
        path.parent.mkdir(parents=True)
        path.touch()
    experiment = Experiment({"results": layout.results, "studies": ["theirs" if used else "demo"]}, config)
    found = unused_paths(experiment, layout)
    assert [any(path.is_relative_to(one) for one in found) for path in kept] == [not used] * len(kept)
