"""vLLM loads merges of the architectures that are tested elsewhere, and its tokens are those of transformers.

Each takes a start of the engine, so CI looks at the three that differ most: ``L2S_FAMILIES=all make test-vllm`` at all.
"""

import os

import pytest
import torch
from merges import merge
from support import DEVICE
from test_architectures import FAMILIES, SIZES, random_model
from test_vllm import settings, transformers_settings

from l2s.decoding.engines import transformers_engine, vllm_engine
from l2s.decoding.engines.interface import Request
from l2s.decoding.stopping import Stops
from l2s.errors import UserError

CHOSEN = FAMILIES if os.environ.get("L2S_FAMILIES") == "all" else ["gemma3_text", "phi", "qwen3_moe"]
# The smallest heads that vLLM has attention kernels for on a CPU.
HEADS = {"hidden_size": 64, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32}
STOPS = Stops(frozenset({2}), (), None)
BUDGET = 12


def requests():
    generator = torch.Generator().manual_seed(1)
    prompts = [torch.randint(3, SIZES["vocab_size"], (n,), generator=generator).tolist() for n in (5, 19, 11)]
    return [Request(str(n), tuple(ids), BUDGET, "budget") for n, ids in enumerate(prompts)]


def decoded(engine):
    return {one.key: one.output_ids for part in engine.decode([requests()], lambda *_: None) for one in part}


@pytest.mark.parametrize("family", CHOSEN)
def test_tokens_of_a_merge_are_those_of_transformers(family, tmp_path):
    quick = random_model(tmp_path / "quick", family, 1, **HEADS)
    random_model(tmp_path / "slow", family, 2, near=quick, **HEADS)
    merge({"method": "ties", "dtype": "float32"}, tmp_path / "quick", [tmp_path / "slow"], tmp_path / "merged")
    expected = transformers_engine.start(tmp_path / "merged", transformers_settings(context_length=64), STOPS)
    engine = vllm_engine.start(tmp_path / "merged", settings(context_length=64), STOPS)
    try:
        assert decoded(engine) == decoded(expected)
    finally:
        engine.engine.engine_core.shutdown()


@pytest.mark.skipif(DEVICE != "cpu", reason="kernels of GPUs have no such list of sizes")
def test_heads_of_a_size_that_vllm_has_no_kernel_for_are_refused_before_it_starts(tmp_path):
    random_model(tmp_path, "qwen3", 1)
    with pytest.raises(UserError, match=r"attention heads have size 8, and vLLM decodes on a CPU with 32, 64, .* only"):
        vllm_engine.start(tmp_path, settings(context_length=64), STOPS)
