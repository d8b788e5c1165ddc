"""Models from a hub (a mirror on loopback): pinned, resumed, checked file by file, and usable without network."""

import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest
import torch
import yaml
from hub_mirror import HubMirror, etag
from safetensors.torch import save_file
from support import ROOT

from l2s.checkpoints.describe import describe_model
from l2s.checkpoints.manifest import MANIFEST_NAME, read_manifest
from l2s.parquet import read_table
from l2s.sources.benchmarks import QUESTIONS, rows_digest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SOURCE = f"team/tiny@{COMMIT}"


@pytest.fixture
def hub(make_model, tmp_path):
    repo = tmp_path / "hub" / "team" / "tiny"
    repo.parent.mkdir(parents=True)
    shutil.move(make_model("tiny", 0, shards=2), repo)
    (repo / "README.md").write_text("not wanted")
    with HubMirror(tmp_path / "hub", COMMIT) as mirror:
        yield mirror


@pytest.fixture
def fetch(hub, tmp_path):
    """Run scripts/fetch.py against the mirror with a cache of its own: fetch(online=True) -> finished process."""

    def run(source=SOURCE, online=True):
        environment = {
            **os.environ,
            "HF_HOME": str(tmp_path / "cache"),
            "HF_ENDPOINT": hub.endpoint if online else "http://127.0.0.1:9",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_OFFLINE": "0" if online else "1",
        }
        command = [sys.executable, str(ROOT / "scripts/fetch.py"), "--source", source, "--out", str(tmp_path / "out")]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    return run


def blobs(tmp_path):
    return [path for path in (tmp_path / "cache").rglob("blobs/*") if path.is_file()]


def flip_a_bit(tmp_path):
    """Damage the largest file of the cache; return it and what it held."""
    blob = max(blobs(tmp_path), key=lambda path: path.stat().st_size)
    good = blob.read_bytes()
    blob.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    return blob, good


def test_download_yields_the_pinned_model_and_only_wanted_files(hub, fetch, tmp_path):
    done = fetch()
    assert done.returncode == 0, done.stderr
    manifest = read_manifest(tmp_path / "out" / MANIFEST_NAME)
    assert manifest.source == SOURCE
    assert manifest.content_id == describe_model(hub.root / "team" / "tiny", "x").content_id
    assert not any("README" in path for _, path, _ in hub.requests)


def test_second_fetch_needs_no_network(hub, fetch, tmp_path):
    fetch()
    first = (tmp_path / "out" / MANIFEST_NAME).read_bytes()
    asked = len(hub.requests)
    assert fetch().returncode == 0
    assert len(hub.requests) == asked
    assert fetch(online=False).returncode == 0
    assert (tmp_path / "out" / MANIFEST_NAME).read_bytes() == first


def test_interrupted_download_is_never_taken_for_a_whole_model_and_goes_on(hub, fetch, tmp_path):
    hub.refused.add("config.json")
    assert fetch().returncode == 1
    assert not (tmp_path / "out" / MANIFEST_NAME).exists()
    assert fetch(online=False).returncode == 1
    hub.refused.clear()
    hub.requests.clear()
    assert fetch().returncode == 0
    assert not any(method == "GET" and path.endswith(".safetensors") for method, path, _ in hub.requests)


def test_dropped_connection_is_resumed_where_it_broke_off(hub, fetch, tmp_path):
    # The hub client writes pieces of 10 MB, so only a larger file can go on from where it stopped.
    weights = hub.root / "team" / "tiny" / "model-00001-of-00002.safetensors"
    save_file({"model.embed_tokens.weight": torch.ones(6_000_000)}, weights)
    hub.drop_after[weights.name] = 15_000_000
    assert fetch().returncode == 0
    ranges = [sent for method, path, sent in hub.requests if method == "GET" and path.endswith(weights.name)]
    assert ranges[0] is None
    assert int(ranges[1].removeprefix("bytes=").split("-")[0]) >= 10_000_000
    assert {path.name for path in blobs(tmp_path)} >= {etag(weights)}


def test_damaged_file_in_the_cache_is_found_and_fetched_again(hub, fetch, tmp_path):
    fetch()
    blob, good = flip_a_bit(tmp_path)
    done = fetch()
    assert done.returncode == 0, done.stderr
    assert "is damaged in the cache" in done.stdout
    assert blob.read_bytes() == good


def test_damaged_file_without_network_is_an_error_that_names_it(hub, fetch, tmp_path):
    fetch()
    blob, _ = flip_a_bit(tmp_path)
    done = fetch(online=False)
    assert done.returncode == 1
    assert blob.name in done.stderr
    assert "delete it and run again with network" in done.stderr
    assert "Traceback" not in done.stderr


def test_revision_that_the_hub_does_not_have_is_an_error(fetch):
    done = fetch(f"team/tiny@{'f' * 40}")
    assert done.returncode == 1
    assert "could not be downloaded" in done.stderr
    assert "Traceback" not in done.stderr


def test_benchmark_rows_come_from_the_hub_at_the_pinned_revision(tmp_path):
    repo = tmp_path / "hub" / "team" / "sums"
    (repo / "main").mkdir(parents=True)
    rows = [{"question": f"{n}+1?", "answer": f"so #### {n + 1}"} for n in range(5)]
    pd.DataFrame(rows).to_parquet(repo / "main" / "test-00000-of-00001.parquet")
    (repo / "README.md").write_text(
        "---\nconfigs:\n- config_name: main\n  data_files:\n  - split: test\n    path: main/test-*\n---\n"
    )
    clean = [{"question_id": str(n), "question": f"{n}+1?", "gold": str(n + 1), "level": None} for n in range(5)]
    entry = {
        "source": {"repo": "team/sums", "config": "main", "split": "test", "revision": COMMIT},
        "question": {"column": "question"},
        "gold": {"column": "answer", "pattern": "#### (.+)"},
        "rows": 5,
        "sha256": rows_digest(clean),
    }
    (tmp_path / "sums.yaml").write_text(yaml.safe_dump(entry))
    with HubMirror(tmp_path / "hub", COMMIT) as hub:
        environment = {**os.environ, "HF_HOME": str(tmp_path / "cache"), "HF_ENDPOINT": hub.endpoint}
        environment["HF_HUB_DISABLE_XET"] = "1"
        command = [sys.executable, str(ROOT / "scripts/benchmark.py"), "--entry", str(tmp_path / "sums.yaml")]
        command += ["--out", str(tmp_path / "sums.parquet")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    table = read_table(tmp_path / "sums.parquet", QUESTIONS)
    assert table.to_pylist() == [{"benchmark": "sums", **row} for row in clean]
    assert any(COMMIT in path and path.endswith(".parquet") for _, path, _ in hub.requests)
