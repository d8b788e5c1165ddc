"""Models from a hub (a mirror on loopback): pinned, resumed, checked file by file, and usable without network."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from hub_mirror import COMMIT, SOURCE, HubMirror, etag, git_sha1
from safetensors.torch import save_file
from support import ROOT, SHAPES

from l2s.checkpoints.manifest import MANIFEST_NAME, read_manifest
from l2s.checkpoints.weights import describe_model
from l2s.contracts.parquet import read_table
from l2s.contracts.questions import QUESTIONS
from l2s.sources.pinning import rows_digest

pytestmark = pytest.mark.slow

BYTES = 4 * sum(math.prod(shape) for shape in SHAPES.values())


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
    hub.faults[weights.name] = [("drop", 15_000_000)]
    assert fetch().returncode == 0
    ranges = hub.downloads(weights.name)
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


@pytest.mark.parametrize("known", [{}, {"bytes": "right", "context_length": 64, "tied": False}])
def test_model_that_is_what_its_entry_says_is_taken(fetch, known):
    values = {key: BYTES if value == "right" else value for key, value in known.items()}
    done = fetch(entry={"repo": "team/tiny", "revision": COMMIT, "licence": "MIT", **values})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({"bytes": 3_087_428_608}, f"key 'bytes': expected 3087428608, found {BYTES} in"),
        ({"context_length": 4096}, "key 'context_length': expected 4096, found 64 in"),
        ({"tied": True}, "key 'tied': expected True, found False in"),
    ],
)
def test_model_that_is_not_what_its_entry_says_is_refused_by_key(fetch, tmp_path, known, message):
    done = fetch(entry={"repo": "team/tiny", "revision": COMMIT, **known})
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"entry.yaml: {message}" in line
    assert f"correct where it points (team/tiny@{COMMIT}) or, if that is right, '{next(iter(known))}'" in line
    assert not (tmp_path / "out" / MANIFEST_NAME).exists()


def test_model_without_lm_head_is_tied(make_model, fetch):
    folder = make_model("tied", 0, drop=("lm_head.weight",))
    assert fetch(entry={"path": str(folder), "tied": True}).returncode == 0
    assert "key 'tied': expected False, found True" in fetch(entry={"path": str(folder), "tied": False}).stderr


def test_snapshot_begun_by_another_tool_is_completed(hub, hub_environment, tmp_path):
    # What `AutoConfig.from_pretrained` leaves behind: a snapshot of one file, and no list of the others.
    data = (hub.root / "team" / "tiny" / "config.json").read_bytes()
    repo = tmp_path / "cache" / "hub" / "models--team--tiny"
    (repo / "blobs").mkdir(parents=True)
    (repo / "blobs" / git_sha1(data)).write_bytes(data)
    snapshot = repo / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").symlink_to(Path("..", "..", "blobs", git_sha1(data)))
    command = [sys.executable, str(ROOT / "scripts" / "preflight.py"), SOURCE, SOURCE]
    done = subprocess.run(command, env=hub_environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{SOURCE}: {len(SHAPES)} tensors" in done.stdout
    assert {path.name for path in snapshot.iterdir()} >= {"model.safetensors.index.json", "generation_config.json"}


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
        command = [sys.executable, str(ROOT / "scripts/load_questions.py"), "--entry", str(tmp_path / "sums.yaml")]
        command += ["--out", str(tmp_path / "sums.parquet")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    table = read_table(tmp_path / "sums.parquet", QUESTIONS)
    assert table.to_pylist() == [{"benchmark": "sums", **row} for row in clean]
    assert any(COMMIT in path and path.endswith(".parquet") for _, path, _ in hub.requests)
