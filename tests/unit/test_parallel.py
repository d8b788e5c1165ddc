"""How many devices a checkpoint is decoded on, and which options go with which engine."""

import pytest

from l2s.config import validate
from l2s.decoding.parallel import tensor_parallel
from l2s.decoding.settings import DecodingEntry
from l2s.errors import UserError

SIZES = {  # bytes of the bfloat16 tensors, attention heads
    "Qwen2.5-Math-1.5B": (3_087_428_608, 12),
    "DeepSeek-R1-Distill-Qwen-1.5B": (3_554_176_000, 12),
    "Qwen2.5-Math-7B": (15_231_233_024, 28),
    "DeepSeek-R1-Distill-Qwen-7B": (15_231_233_024, 28),
    "Qwen2.5-14B": (29_540_067_328, 40),
    "DeepSeek-R1-Distill-Qwen-14B": (29_540_067_328, 40),
    "Qwen2.5-32B": (65_527_752_704, 40),
    "DeepSeek-R1-Distill-Qwen-32B": (65_527_752_704, 40),
    "QwQ-32B": (65_527_752_704, 40),
    "Qwen3-8B": (16_381_470_720, 32),
    "DeepSeek-R1-0528-Qwen3-8B": (16_381_470_720, 32),
}
OF_14B, OF_32B = 29_540_067_328 // 2, 65_527_752_704 // 2  # elements
NEEDED = {  # memory of a device in GB → devices at 1.5B, 7B, 8B, 14B, 32B
    24: (1, 1, 2, 2, 8),
    40: (1, 1, 1, 2, 4),
    80: (1, 1, 1, 1, 2),
    141: (1, 1, 1, 1, 1),
}


@pytest.mark.parametrize("memory", NEEDED)
@pytest.mark.parametrize("model", SIZES)
def test_devices_for_the_papers_models(model, memory):
    size, heads = SIZES[model]
    scale = [name for name in ("1.5B", "7B", "8B", "14B", "32B") if model.endswith(name)][-1]
    devices = tensor_parallel(size, heads, memory * 10**9)
    assert devices == NEEDED[memory][("1.5B", "7B", "8B", "14B", "32B").index(scale)]
    assert heads % devices == 0
    assert devices == tensor_parallel(size, None, memory * 10**9)


def test_devices_must_share_the_heads_evenly():
    assert tensor_parallel(40 * 10**9, 12, 20 * 10**9) == 4
    with pytest.raises(UserError, match=r"40.0 GB is too large.*its 12 attention heads.*'vllm.tensor_parallel'"):
        tensor_parallel(40 * 10**9, 12, 10 * 10**9)
    with pytest.raises(UserError, match="up to 8 devices of 1 GB"):
        tensor_parallel(40 * 10**9, None, 10**9)


def settings(**changed):
    values = {"prompt": "demo", "max_new_tokens": 160, "engine": "vllm", "device": "cuda", "dtype": "bfloat16"}
    return validate(DecodingEntry, {**values, **changed}, "d.yaml")


def test_gpus_of_a_job():
    assert settings(device="cpu").gpus == 0
    assert settings(engine="transformers").gpus == 1
    assert settings(vllm={"tensor_parallel": 4}).gpus == 4
    assert settings().gpus is None
    assert settings().for_checkpoint(OF_32B, 40).gpus == 2
    assert settings(vllm={"device_memory_gb": 141}).for_checkpoint(OF_32B, 40).gpus == 1
    assert settings(vllm={"tensor_parallel": 1}).for_checkpoint(OF_32B, 40).gpus == 1


def test_devices_go_by_the_dtype_of_decoding():
    devices = {
        dtype: [settings(dtype=dtype).for_checkpoint(elements, 40).gpus for elements in (OF_14B, OF_32B)]
        for dtype in ("float32", "bfloat16", "float16")
    }
    assert devices == {"float32": [2, 4], "bfloat16": [1, 2], "float16": [1, 2]}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch_size": 8}, "'batch_size' goes with the engine 'transformers' and no other"),
        ({"engine": "transformers", "vllm": {}}, "'vllm' goes with the engine 'vllm' and no other"),
        ({"vllm": {"tensor_parallel": 0}}, "tensor_parallel"),
        ({"vllm": {"gpu_memory": 0.5}}, "unknown key 'vllm.gpu_memory'"),
    ],
)
def test_options_of_another_engine_are_refused(changed, message):
    with pytest.raises(UserError, match=message):
        settings(**changed)


def test_other_engine_has_its_own_default_options():
    other = settings(vllm={"enforce_eager": True}).with_engine("transformers")
    assert (other.engine, other.batch_size, other.vllm) == ("transformers", 64, None)
    back = other.with_engine("vllm")
    assert (back.batch_size, back.vllm) == (None, settings().vllm)
    assert validate(DecodingEntry, back.model_dump(mode="json"), "job") == back == settings()
