"""Decode jobs that are killed, or that run twice at once, lose at most a batch and change no byte of the result."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest
import yaml
from support import DEMO, ROOT

KILLS = int(os.environ.get("L2S_KILLS", "5"))
QUESTIONS, BATCH = 300, 10
CHUNKS = "store/*/*/*.parquet"


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """The demo's decode settings with small batches, so that a job takes many of them, and short responses."""
    values = yaml.safe_load((ROOT / "config" / "decoding" / "demo.yaml").read_text())
    path = tmp_path_factory.mktemp("settings") / "small_batches.yaml"
    path.write_text(yaml.safe_dump({**values, "batch_size": BATCH, "max_new_tokens": 48}))
    return path


def start(settings, folder, out="responses.parquet"):
    command = [sys.executable, str(ROOT / "scripts" / "decode.py"), "--model", str(DEMO / "slow")]
    command += ["--benchmark", "demo_validation", "--decoding", str(settings)]
    command += ["--store", str(folder / "store"), "--out", str(folder / out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(running):
    said, _ = running.communicate()
    assert running.returncode == 0, said
    return said


def chunks(folder):
    return {path: path.read_bytes() for path in folder.glob(CHUNKS)}


def keys(found):
    """Return the keys of the responses in chunk files, in any order."""
    return [key for path in found for key in pq.read_table(path, columns=["key"])["key"].to_pylist()]


@pytest.fixture(scope="module")
def undisturbed(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    finish(start(settings, folder))
    assert len(chunks(folder)) == QUESTIONS / BATCH
    return (folder / "responses.parquet").read_bytes()


def test_killed_jobs_lose_at_most_a_batch_and_resume_to_the_same_bytes(settings, undisturbed, tmp_path):
    moments = random.Random(0)
    for number in range(KILLS):
        folder = tmp_path / f"run{number}"
        folder.mkdir()
        running = start(settings, folder)
        wanted = moments.randrange(QUESTIONS // BATCH - 8)
        while not (folder / "store").exists() or len(list(folder.glob(CHUNKS))) < wanted:
            assert running.poll() is None
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.05))
        running.send_signal(signal.SIGKILL)
        assert running.wait() == -signal.SIGKILL
        assert not (folder / "responses.parquet").exists()
        kept = chunks(folder)
        assert len(keys(kept)) == BATCH * len(kept) >= BATCH * wanted

        finish(start(settings, folder))
        assert (folder / "responses.parquet").read_bytes() == undisturbed
        assert json.loads((folder / "responses.json").read_text())["decoded_now"] == QUESTIONS - len(keys(kept))
        after = chunks(folder)
        assert kept.items() <= after.items()
        assert len(keys(after)) == len(set(keys(after))) == QUESTIONS
        assert [path.name for path in folder.rglob("*.partial")] == []


def test_two_jobs_at_once_decode_everything_once(settings, undisturbed, tmp_path):
    names = ["one.parquet", "two.parquet"]
    said = [finish(running) for running in [start(settings, tmp_path, name) for name in names]]
    assert [(tmp_path / name).read_bytes() for name in names] == [undisturbed] * 2
    sidecars = [json.loads((tmp_path / name).with_suffix(".json").read_text()) for name in names]
    assert sum(sidecar["decoded_now"] for sidecar in sidecars) == QUESTIONS
    assert len(keys(chunks(tmp_path))) == QUESTIONS
    assert sum("waiting for it" in text for text in said) <= 1
