"""Jobs that run vLLM: what is killed takes the rest with it, what was decoded stays, and Snakemake can run them."""

import json
import signal
import subprocess
import sys
import time

import psutil
import pytest
import yaml
from project import new_project
from support import DEMO, DEVICE, ROOT

from l2s import gpus
from l2s.config import read_values
from l2s.contracts.parquet import read_table
from l2s.contracts.responses import RESPONSES

WINDOW = 90


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """The demo's settings for vLLM, a context length that cuts the longest responses, and few responses at a time."""
    values = read_values(ROOT / "config" / "decoding" / "demo-vllm.yaml")
    if DEVICE == "cuda":
        # Two GPUs where there are two: only then has vLLM workers, as it always has on a CPU. The demo has three heads.
        parallel = {"tensor_parallel": 1, "pipeline_parallel": min(2, gpus.count())}
        values["vllm"] = {**parallel, "memory_utilization": 0.3}
    narrow = {"device": DEVICE, "context_length": WINDOW, "vllm": {**values["vllm"], "max_num_seqs": 32}}
    path = tmp_path_factory.mktemp("settings") / "narrow.yaml"
    path.write_text(yaml.safe_dump({**values, **narrow}))
    return path


def start(settings, folder):
    command = [sys.executable, str(ROOT / "scripts" / "decode.py"), "--model", str(DEMO / "slow")]
    command += ["--benchmark", "demo_arithmetic", "--decoding", str(settings), "--out", str(folder / "r.parquet")]
    with (folder / "log").open("w") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def chunks(folder):
    return {path: path.read_bytes() for path in folder.glob("r.parquet.store/*/*/*.parquet")}


def wait_for_chunks(running, folder, more_than):
    while len(chunks(folder)) <= more_than:
        assert running.poll() is None, (folder / "log").read_text()
        time.sleep(0.005)


def workers(running):
    """Return the processes of vLLM below a job."""
    return [one for one in psutil.Process(running.pid).children(recursive=True) if "VLLM" in one.name()]


def kill_a_worker(settings, folder):
    """Go on with a job and kill a worker of it; the job ends and says so."""
    running = start(settings, folder)
    wait_for_chunks(running, folder, len(chunks(folder)))
    workers(running)[0].kill()
    assert running.wait(timeout=60) == 1
    said = (folder / "log").read_text().splitlines()
    (error,) = [line for line in said if line.startswith("error: ")]
    assert "a process of vLLM was killed or failed (VllmWorker-0 ended with -9" in error
    assert "run again to decode the rest" in error


def test_killed_job_and_killed_worker_lose_little_and_a_rerun_completes(settings, tmp_path):
    running = start(settings, tmp_path)
    wait_for_chunks(running, tmp_path, 0)
    children = workers(running)
    assert children or (DEVICE == "cuda" and gpus.count() == 1)
    running.send_signal(signal.SIGKILL)
    running.wait()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
    first = chunks(tmp_path)

    if children:
        kill_a_worker(settings, tmp_path)
    second = chunks(tmp_path)
    assert first.items() < second.items() or not children
    assert not (tmp_path / "r.parquet").exists()

    assert start(settings, tmp_path).wait() == 0
    assert second.items() < chunks(tmp_path).items()
    rows = read_table(tmp_path / "r.parquet", RESPONSES).to_pylist()
    assert len(rows) == 600
    sidecar = json.loads((tmp_path / "r.json").read_text())
    assert 0 < sidecar["decoded_now"] < 600
    assert sidecar["settings"]["engine_identity"].keys() == {"vllm", "torch", "transformers", "code"}

    cut = [row for row in rows if row["finish_reason"] == "context_length"]
    assert 0 < len(cut) < 600
    assert {row["prompt_tokens"] + row["output_tokens"] for row in cut} == {WINDOW}
    assert {row["finish_reason"] for row in rows} == {"context_length", "stop"}


def test_the_demo_runs_with_vllm_by_one_option(tmp_path):
    project = new_project(tmp_path)
    project.edit("config/demo.yaml", "studies: [", "studies: [small] # [")
    if DEVICE == "cuda":
        project.edit("config/decoding/demo-vllm.yaml", "engine: vllm", "engine: vllm\ndevice: cuda")
        project.edit("config/decoding/demo-vllm.yaml", "memory_utilization: 0.04", "memory_utilization: 0.3")
    study = yaml.safe_load((project.folder / "config/studies/demo.yaml").read_text())
    small = {**study, "models": ["demo-slow"], "recipes": ["ties"], "figures": []}
    project.write("config/studies/small.yaml", yaml.safe_dump(small))
    project.run("--config", "decoding=demo-vllm")
    sidecars = list((project.folder / "results/demo/responses").rglob("demo-vllm.json"))
    assert len(sidecars) == 2
    for path in sidecars:
        sidecar = json.loads(path.read_text())
        assert (sidecar["settings"]["engine"], sidecar["decoded_now"]) == ("vllm", 600)
    table = (project.folder / "results/demo/tables/small.md").read_text()
    assert "100.0 [99.4, 100.0]" in table
    assert "Nothing to be done" in project.run("--config", "decoding=demo-vllm")
