"""What vLLM is started with, as far as no vLLM is needed."""

from l2s.decoding.engines.vllm_start import engine_arguments
from l2s.decoding.settings import DecodingEntry


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
