"""What prune takes for unused."""

from pathlib import Path

import yaml
from support import ROOT

from l2s.experiment import Experiment
from l2s.grading.grades import grader_module
from l2s.grading.store import store_name
from l2s.layout import Layout
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
