"""Fixtures: tiny models, a mirror of the hub, the real benchmark files, and the finished demo."""

import json
import os
import runpy
import shutil
import signal
import subprocess
import sys

import pytest
import torch
import yaml
from filelock import FileLock
from hub_mirror import COMMIT, SOURCE, HubMirror
from project import Project, new_project
from support import CONFIG, FULL_SHAPES, REAL_DATA, ROOT, SHAPES, TOKEN, load_tensors, save_model

from l2s.experiment import registry
from l2s.steps import register_steps

register_steps()  # a checkpoint's files that are not there are made again, as in the scripts


@pytest.fixture
def make_model(tmp_path):
    """Write a tiny model of random weights: make_model(name, seed) -> folder."""

    def make(name, seed, dtype=torch.float32, near=None, drop=(), shards=1, full=False, **config):
        generator = torch.Generator().manual_seed(seed)
        shapes = FULL_SHAPES if full else SHAPES
        tensors = {key: torch.randn(shape, generator=generator) for key, shape in shapes.items() if key not in drop}
        if near is not None:
            close = load_tensors(near)
            tensors = {key: close[key].float() + 0.1 * value for key, value in tensors.items() if key in close}
        folder = tmp_path / name
        folder.mkdir()
        save_model(folder, {key: value.to(dtype) for key, value in tensors.items()}, shards)
        (folder / "config.json").write_text(json.dumps({**CONFIG, **config}))
        (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": 1}))
        return folder

    return make


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A copy of config/ that a test may change, in a project folder that is the working directory."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / "workflow").symlink_to(ROOT / "workflow")
    monkeypatch.chdir(tmp_path)
    registry.read_once.cache_clear()
    return tmp_path / "config"


@pytest.fixture
def hub(make_model, tmp_path):
    """A mirror of the hub on loopback that holds one tiny model, ``SOURCE``."""
    repo = tmp_path / "hub" / "team" / "tiny"
    repo.parent.mkdir(parents=True)
    shutil.move(make_model("tiny", 0, shards=2), repo)
    (repo / "README.md").write_text("not wanted")
    with HubMirror(tmp_path / "hub", COMMIT) as mirror:
        yield mirror


@pytest.fixture
def hub_environment(hub, tmp_path):
    """Environment of a process whose hub is the mirror, over plain HTTP, with a cache of its own."""
    return {
        **os.environ,
        "HF_HOME": str(tmp_path / "cache"),
        "HF_ENDPOINT": hub.endpoint,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }


@pytest.fixture
def fetch(hub_environment, tmp_path):
    """Run scripts/fetch_model.py on the mirror's model, or on an entry, writing to tmp_path/out -> finished process."""

    def run(source=SOURCE, entry=None, online=True, **environment):
        environment = {**hub_environment, **environment}
        if not online:
            environment |= {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "1"}
        asked = ["--source", source]
        if entry is not None:
            (tmp_path / "entry.yaml").write_text(yaml.safe_dump(entry))
            asked = ["--entry", str(tmp_path / "entry.yaml")]
        command = [sys.executable, str(ROOT / "scripts/fetch_model.py"), *asked, "--out", str(tmp_path / "out")]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def refused(tmp_path, monkeypatch, capfd):
    """Run a script with options that it must refuse -> what it says on stderr.

    In this process, which has loaded torch already: loading it takes a process of its own seconds.
    """
    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(signal.SIGTERM)

    def run(name, *options):
        monkeypatch.setattr(sys, "argv", [name, *map(str, options)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / "scripts" / name), run_name="__main__")
        assert ended.value.code == 1
        return capfd.readouterr().err

    yield run
    signal.signal(signal.SIGTERM, handler)  # scripts set one of their own


@pytest.fixture(scope="session")
def real_data():
    """Folder of the real benchmark files, which are not part of the project."""
    if not REAL_DATA.is_dir():
        message = f"the real benchmark files are not at {REAL_DATA}; set L2S_REAL_DATA to their folder"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return REAL_DATA


@pytest.fixture(scope="session")
def finished_demo(tmp_path_factory):
    """A project in which the whole demo has run, with an access token set; tests must not change it.

    All worker processes of pytest-xdist share it: the first that asks for it runs the demo, the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, finished = shared / "finished-demo", shared / "finished-demo.done"
    with FileLock(shared / "finished-demo.lock"):
        if not finished.exists():
            shutil.rmtree(folder, ignore_errors=True)  # what a failed run left
            new_project(folder).run(HF_TOKEN=TOKEN)
            finished.touch()
    return Project(folder)


@pytest.fixture
def demo(finished_demo, tmp_path):
    """A clone of the finished demo that a test may change."""
    return finished_demo.clone(tmp_path / "project")
