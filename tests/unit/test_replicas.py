"""Replicas: processes that share a checkpoint's questions, give the tokens of one, and end together."""

import subprocess
import sys
import time

import psutil
import pytest
import yaml
from support import DEMO, ROOT

from l2s.config import read_values
from l2s.decoding.engines import transformers_engine
from l2s.decoding.engines.interface import Request
from l2s.decoding.engines.replicas import start_replicas
from l2s.decoding.session import numeric_settings, read_model
from l2s.decoding.settings import DecodingEntry
from l2s.decoding.stopping import Stops
from l2s.decoding.store import request_key
from l2s.errors import UserError

SLOW = DEMO / "slow"
CHAINS = ["3*4+9", "1+1", "7-2*3+4", "9*9", "5+5+5+5", "2*2*2", "8-3", "0+1-2+3-4"]


def settings(**changed):
    values = {"prompt": "demo", "max_new_tokens": 160, "engine": "transformers", "device": "cpu", "dtype": "float32"}
    return DecodingEntry(**{**values, "batch_size": 3, "replicas": 2, **changed})


@pytest.fixture
def stops():
    model = read_model(SLOW, settings())
    return Stops.of(model.tokenizer, model.stop_ids, ("k. 3*4",))


@pytest.fixture
def batches(stops):
    texts = [f"Question: From left to right, modulo 10: {chain}\nAnswer:" for chain in CHAINS]
    prompts = [tuple(stops.tokenizer.encode(text)) for text in texts]
    requests = [Request(request_key(ids, 0), ids, 160, "length") for ids in prompts]
    return [requests[first : first + 3] for first in range(0, len(requests), 3)]


def quiet(tokens, ended):
    pass


@pytest.mark.slow
def test_replicas_give_the_tokens_of_one_engine_and_count_all_of_them(stops, batches):
    shared = settings(sampling={"temperature": 0.7, "seed": 5})
    alone = transformers_engine.start(SLOW, shared, stops).decode(batches, quiet)
    expected = {one.key: one for completions in alone for one in completions}
    counted = []
    replicas = start_replicas(SLOW, shared, stops, 0)
    processes = list(replicas.processes.values())
    found = replicas.decode(batches, lambda *heard: counted.append(heard))
    assert {one.key: one for completions in found for one in completions} == expected
    assert [sum(column) for column in zip(*counted, strict=True)] == [
        sum(len(one.output_ids) for one in expected.values()),
        len(CHAINS),
    ]
    assert (replicas.facts()["device"], replicas.facts()["replicas"]) == ("cpu", 2)
    assert len(processes) == 2 and [process.exitcode for process in processes] != [None, None]
    assert not any(process.is_alive() for process in processes)


@pytest.mark.slow
def test_a_replica_that_is_killed_ends_the_others_and_is_named(stops, batches):
    replicas = start_replicas(SLOW, settings(), stops, 0)
    first, second = replicas.processes.values()

    first.kill()
    first.join()
    with pytest.raises(UserError, match=r"replica 1 ended with -9 .* what was decoded is in the store: run again"):
        list(replicas.decode(batches, quiet))
    assert not second.is_alive()


@pytest.mark.slow
def test_replicas_of_a_job_that_is_killed_end_by_themselves(tmp_path):
    own = read_values(ROOT / "config" / "decoding" / "demo.yaml")
    (tmp_path / "two.yaml").write_text(yaml.safe_dump({**own, "batch_size": 20, "replicas": 2}))
    command = [sys.executable, str(ROOT / "scripts" / "decode.py"), "--model", str(SLOW), "--benchmark"]
    command += ["demo_arithmetic", "--decoding", str(tmp_path / "two.yaml"), "--out", str(tmp_path / "r.parquet")]
    with (tmp_path / "log").open("w") as log:
        job = subprocess.Popen(command, stdout=log, stderr=log)
    while not list(tmp_path.glob("r.parquet.store/*/*/*.parquet")):
        assert job.poll() is None, (tmp_path / "log").read_text()
        time.sleep(0.02)
    below = psutil.Process(job.pid).children(recursive=True)
    assert len(below) >= 2
    job.kill()
    job.wait()
    assert psutil.wait_procs(below, timeout=60)[1] == []


@pytest.mark.slow
def test_an_engine_that_cannot_start_is_one_clear_error(stops):
    with pytest.raises(
        UserError, match=r"^(GPUs needed: 1|a GPU is needed).*(ask for more, or use fewer|use the CPU)$"
    ):
        start_replicas(SLOW, settings(device="cuda"), stops, None)


def test_a_job_that_was_granted_too_few_gpus_for_all_replicas_starts_none(stops):
    with pytest.raises(UserError, match="GPUs needed: 2, granted by Snakemake: 1"):
        start_replicas(SLOW, settings(device="cuda"), stops, 1)


def test_what_responses_are_kept_by_does_not_tell_replicas(stops):
    kept = [numeric_settings(settings(replicas=count), {}, 2048, stops) for count in (1, 2)]
    assert kept[0] == kept[1]


def test_gpus_and_threads_of_a_job_are_those_of_all_replicas():
    vllm = {"engine": "vllm", "batch_size": None, "device": "cuda"}
    shared = settings(**vllm, vllm={"tensor_parallel": 2, "pipeline_parallel": 2})
    assert (shared.devices, shared.gpus) == (4, 8)
    auto = settings(**vllm, vllm={"pipeline_parallel": 2}, dtype="bfloat16")
    assert auto.gpus is None
    # 32B in bfloat16 are 65 GB: two devices of 80 GB, or one for each of two stages.
    assert auto.for_checkpoint(32_763_876_352, 40).devices == 2
    assert (settings(cpu_threads=3).threads, settings().gpus) == (6, 0)
