"""Which jobs need a GPU, and what the user is told where there is none."""

import yaml
from support import ROOT

from l2s import gpus
from l2s.experiment import Experiment
from l2s.plan.devices import gpu_needs

PAPER = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
ASKED = {"checkpoint": "models/qwen2.5-math-7b", "decoding": "paper"}


def needs(monkeypatch, jobs, **changes):
    monkeypatch.chdir(ROOT)
    return gpu_needs(Experiment({**PAPER, **changes}, ROOT / "config"), jobs)


def test_each_key_that_needs_a_gpu_is_named_once_with_what_to_write(monkeypatch):
    decodes = [("decode", ASKED), ("decode", {**ASKED, "checkpoint": "models/qwen2.5-math-1.5b"})]
    pair, method, recipe = next(iter(Experiment(PAPER, ROOT / "config").trainings)).split("/")
    training = ("train", {"pair": pair, "method": method, "recipe": recipe})
    said = needs(
        monkeypatch,
        [*decodes, training, ("calibrate", {}), ("merge", {})],
        calibration_device="cuda",
        merge_device="cuda",
    )
    assert len(said) == 4
    assert "decode: 2 jobs need a GPU, as" in said[0] and "as config/decoding/paper.yaml says 'device: cuda'" in said[0]
    assert "train: 1 job needs a GPU" in said[1]
    assert "calibration_device: cuda" in said[2] and "merge_device: cuda" in said[3]


def test_what_runs_on_a_cpu_as_well_needs_no_gpu(monkeypatch):
    assert needs(monkeypatch, [("calibrate", {}), ("merge", {})]) == []
    assert needs(monkeypatch, [("decode", {**ASKED, "decoding": "cpu"})], decoding="cpu") == []


def test_auto_is_a_gpu_where_there_is_one(monkeypatch):
    gpus.device_here.cache_clear()
    monkeypatch.setattr(gpus, "count", lambda: 2)
    assert gpus.device_here() == "cuda"
    gpus.device_here.cache_clear()
    monkeypatch.setattr(gpus, "count", lambda: 0)
    assert gpus.device_here() == "cpu"
    gpus.device_here.cache_clear()
