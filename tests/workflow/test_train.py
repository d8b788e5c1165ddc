"""Trainings by hand and in the workflow: killed, resumed, rebuilt from their adapter, and never half-written."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
import yaml
from support import DEMO, ROOT

from l2s.checkpoints.manifest import MANIFEST_NAME, read_manifest
from l2s.checkpoints.tensors import digest_tensors
from l2s.checkpoints.weights import Checkpoint
from l2s.errors import UserError


def command(*options):
    return [sys.executable, str(ROOT / "scripts" / "train.py"), *map(str, options)]


def small_training(folder, out, **changes):
    """Write the recipe of a small training of the demo's slow model -> the options that start it."""
    recipe = yaml.safe_load((ROOT / "config" / "recipes" / "demo-dpo.yaml").read_text())
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**recipe, "epochs": 2, "checkpoints": 7, **changes}))
    return ["--recipe", folder / "recipe.yaml", "--model", DEMO / "slow", "--out", out]


def train(folder, out):
    """Start a small training, with a pipe of what it says."""
    options = command(*small_training(folder, out))
    return subprocess.Popen(options, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The checkpoint of a training that nothing disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    running = train(folder, folder / "out")
    said, _ = running.communicate()
    assert running.returncode == 0, said
    assert sorted(path.name for path in folder.iterdir()) == ["out", "recipe.yaml"]
    return folder / "out"


def test_killed_training_resumes_and_ends_in_the_same_checkpoint(undisturbed, tmp_path):
    out = tmp_path / "out"
    for kill_at, resumed_after in (("step 8 of", None), ("step 16 of", "resuming after step 4")):
        running, said = train(tmp_path, out), ""
        for line in running.stdout:
            said += line
            if line.startswith(kill_at):
                running.send_signal(signal.SIGKILL)
        assert running.wait() == -signal.SIGKILL
        assert resumed_after is None or resumed_after in said
        assert not out.exists()
        # What a kill in the middle of writing leaves: a checkpoint that is not marked as whole.
        (kept,) = (tmp_path / ".out.training").iterdir()
        for number in (8, 16):
            shutil.rmtree(kept / "progress" / f"checkpoint-{number}", ignore_errors=True)
        (kept / "progress" / "checkpoint-16").mkdir()
        (kept / "progress" / "checkpoint-16" / "trainer_state.json").write_text("{")
    running = train(tmp_path, out)
    said, _ = running.communicate()
    assert running.returncode == 0, said
    assert "resuming after step 12" in said
    assert read_manifest(out / MANIFEST_NAME) == read_manifest(undisturbed / MANIFEST_NAME)
    assert json.loads((out / "train.json").read_text())["resumed_after_step"] == 12
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "recipe.yaml"]


def test_deleted_weights_come_back_from_the_adapter_and_an_altered_adapter_is_refused(undisturbed, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    manifest = read_manifest(out / MANIFEST_NAME)
    (out / "model.safetensors").unlink()
    (out / "tokenizer.json").unlink()
    assert Checkpoint.from_manifest(out / MANIFEST_NAME).weights() == out
    assert digest_tensors(out) == manifest.tensors
    assert sorted(path.name for path in out.iterdir() if path.name != ".rebuild.lock") == sorted(
        os.listdir(undisturbed)
    )

    (out / "model.safetensors").unlink()
    adapter = out / "adapter" / "adapter_model.safetensors"
    data = bytearray(adapter.read_bytes())
    data[-1] ^= 1
    adapter.write_bytes(data)
    done = subprocess.run(command("--rebuild", out / MANIFEST_NAME), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "adapter_model.safetensors: gone or altered, and only training makes it again" in done.stderr
    with pytest.raises(UserError, match="could not be made again"):
        Checkpoint.from_manifest(out / MANIFEST_NAME).weights()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"calibration_dta": "demo"}, "recipe.yaml: unknown key 'calibration_dta'; did you mean 'calibration_data'?"),
        ({"calibration_data": "demmo"}, "recipe.yaml: key 'calibration_data': 'demmo' is unknown"),
        ({"prompt": "dmo"}, "recipe.yaml: key 'prompt': 'dmo' is unknown"),
        ({"method": "ties"}, "recipe.yaml: unknown method 'ties'; the methods are dpo"),
    ],
)
def test_wrong_recipe_is_one_clear_line_and_leaves_nothing(tmp_path, refused, changes, message):
    said = refused("train.py", *small_training(tmp_path, tmp_path / "out", **changes))
    assert said.startswith("error: ") and message in said and len(said.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.yaml"]


def test_training_never_replaces_anything(tmp_path, refused):
    (tmp_path / "out").mkdir()
    said = refused("train.py", *small_training(tmp_path, tmp_path / "out"))
    assert "out: exists, or lies below a file; choose another folder" in said
