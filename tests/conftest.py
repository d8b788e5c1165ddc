"""Fixtures: tiny models, the real benchmark files, and the finished demo that the workflow's tests start from."""

import json
import os

import pytest
import torch
from project import new_project
from support import CONFIG, FULL_SHAPES, REAL_DATA, SHAPES, load_tensors, save_model


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
    """A project in which the whole demo has run; tests must not change it."""
    project = new_project(tmp_path_factory.mktemp("demo"))
    project.run()
    return project


@pytest.fixture
def demo(finished_demo, tmp_path):
    """A clone of the finished demo that a test may change."""
    return finished_demo.clone(tmp_path / "project")
