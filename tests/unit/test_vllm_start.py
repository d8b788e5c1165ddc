"""What vLLM is started with, as far as no vLLM is needed."""

import pytest

from l2s.decoding.engines.vllm_start import check_invariant, engine_arguments
from l2s.decoding.settings import DecodingEntry
from l2s.errors import UserError


def settings(**changed):
    values = {"prompt": "cot", "max_new_tokens": 10_240, "context_length": 11_264, "engine": "vllm", "device": "cuda"}
    return DecodingEntry(**{**values, "dtype": "bfloat16", **changed})


def test_responses_that_run_together_leave_the_cache_room_to_grow():
    arguments = engine_arguments(settings(vllm={"tensor_parallel": 2}))
    assert (arguments["max_num_seqs"], arguments["max_num_batched_tokens"], arguments["watermark"]) == (
        1024,
        16384,
        0.1,
    )
    assert engine_arguments(settings(vllm={"tensor_parallel": 2, "max_num_seqs": 200}))["max_num_seqs"] == 200
    assert engine_arguments(settings(device="cpu"))["max_num_seqs"] == 256


def test_invariance_is_refused_on_a_cpu():
    with pytest.raises(ValueError, match=r"'vllm.batch_invariant' needs 'device: cuda'"):
        settings(device="cpu", vllm={"batch_invariant": True})


def test_stages_of_layers_are_refused_where_vllm_cannot_start_them():
    assert settings(device="cpu", vllm={"pipeline_parallel": 2}).vllm.pipeline_parallel == 2
    with pytest.raises(ValueError, match=r"on a CPU 'vllm.pipeline_parallel' needs 'enforce_eager: false'"):
        settings(device="cpu", vllm={"pipeline_parallel": 2, "enforce_eager": True})


def test_devices_are_those_of_all_shares_and_stages():
    arguments = engine_arguments(settings(vllm={"tensor_parallel": 2, "pipeline_parallel": 3}))
    assert (arguments["tensor_parallel_size"], arguments["pipeline_parallel_size"]) == (2, 3)
    assert arguments["distributed_executor_backend"] == "mp"


def test_invariance_is_refused_on_a_gpu_that_is_too_old():
    check_invariant("NVIDIA A100", (8, 0))
    check_invariant("NVIDIA H200", (9, 0))
    with pytest.raises(UserError, match=r"compute capability 8.0 or newer, and Tesla V100 has 7.0"):
        check_invariant("Tesla V100", (7, 0))
