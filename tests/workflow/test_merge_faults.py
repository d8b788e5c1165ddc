"""Merges that are killed, run out of disk, or lose a parent leave no checkpoint that looks whole and is not."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from support import CONFIG, ROOT, save_model

from l2s.checkpoints.manifest import MANIFEST_NAME, read_manifest
from l2s.checkpoints.tensors import digest_tensors
from l2s.checkpoints.weights import Checkpoint

KILLS = int(os.environ.get("L2S_KILLS", "5"))
LARGE = {f"model.layers.{layer}.mlp.down_proj.weight": (1024, 2048) for layer in range(24)}


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two models of 100 MB, so that a merge takes long enough to be killed."""
    folder = tmp_path_factory.mktemp("pair")
    for seed, name in enumerate(("quick", "slow")):
        (folder / name).mkdir()
        generator = torch.Generator().manual_seed(seed)
        tensors = {key: torch.randn(shape, generator=generator).bfloat16() for key, shape in LARGE.items()}
        save_model(folder / name, tensors)
        (folder / name / "config.json").write_text(json.dumps(CONFIG))
    recipe = {"method": "dare_ties", "base": str(folder / "quick"), "models": [str(folder / "slow")]}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return folder


def command(pair: Path, out: Path) -> list[str]:
    script = str(ROOT / "scripts" / "merge.py")
    return [sys.executable, script, "--recipe", str(pair / "recipe.yaml"), "--out", str(out), "--threads", "1"]


def start(pair, out, **options):
    return subprocess.Popen(command(pair, out), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


def seconds_of_a_merge(pair, out):
    began = time.monotonic()
    assert start(pair, out).wait() == 0
    return time.monotonic() - began


def is_whole(out: Path) -> bool:
    """A manifest means that every file it names is there, and that the tensors are what it says."""
    manifest = out / MANIFEST_NAME
    if not manifest.is_file():
        return False
    assert digest_tensors(Checkpoint.from_manifest(manifest).weights()) == read_manifest(manifest).tensors
    return True


def test_killed_merges_leave_nothing_that_looks_whole_and_the_next_run_works(pair, tmp_path):
    whole_run = seconds_of_a_merge(pair, tmp_path / "undisturbed")
    expected = read_manifest(tmp_path / "undisturbed" / MANIFEST_NAME)
    moments = random.Random(0)
    killed = 0
    for number in range(KILLS):
        out = tmp_path / f"run{number}"
        running = start(pair, out)
        time.sleep(moments.uniform(0.2, 1.0) * whole_run)
        running.send_signal(signal.SIGKILL)
        killed += running.wait() == -signal.SIGKILL
        assert is_whole(out) or not out.exists()
        whole_run = seconds_of_a_merge(pair, out)  # of the latest: what else the machine does changes
        assert read_manifest(out / MANIFEST_NAME) == expected
        assert is_whole(out)
    assert killed > 0
    leftovers = [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert leftovers == []


def test_full_disk_is_one_clear_line_and_leaves_nothing(pair, tmp_path):
    def small_quota():
        # Python ignores SIGXFSZ, so that a write over the limit fails as on a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000_000, 50_000_000))

    running = start(pair, tmp_path / "out", preexec_fn=small_quota)
    said, _ = running.communicate()
    assert running.returncode == 1
    assert "make room and run again (nothing was left behind)" in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_parent_that_changes_meanwhile_is_noticed(pair, tmp_path):
    weights = pair / "slow" / "model.safetensors"
    running = start(pair, tmp_path / "out")
    for line in running.stdout:
        if line.startswith("expected:"):
            os.utime(weights)
            break
    said, _ = running.communicate()
    assert running.returncode == 1
    assert f"{weights}: changed while it was read" in said
    assert list(tmp_path.iterdir()) == []
