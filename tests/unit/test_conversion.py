"""Models that are made here from a LoRA adapter or a GGUF file: as PEFT merges them, described, and made again."""

import json
import math

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from support import load_tensors
from transformers import AutoModelForCausalLM

from l2s.checkpoints import lora
from l2s.checkpoints.lora import merge_adapter
from l2s.checkpoints.manifest import MANIFEST_NAME, read_manifest
from l2s.checkpoints.model_entry import ModelEntry
from l2s.checkpoints.tensors import digest_tensors
from l2s.checkpoints.weights import Checkpoint
from l2s.config import validate
from l2s.errors import UserError
from l2s.sources.conversion import convert_again, convert_model, find_over
from l2s.training.engine.contract import LINEAR_LAYERS

WHOLE = {"full": True, "num_hidden_layers": 2, "vocab_size": 24, "intermediate_size": 40}


def adapter_for(folder, out, seed=0, **settings):
    """Give a model an adapter of random numbers, as PEFT writes it, and return what PEFT merges it to."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    config = LoraConfig(r=4, lora_alpha=6, target_modules=list(LINEAR_LAYERS), task_type="CAUSAL_LM", **settings)
    model = get_peft_model(model, config)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    model.save_pretrained(out)
    return {name: tensor.detach() for name, tensor in model.merge_and_unload().state_dict().items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_merged_adapter_equals_peft_to_one_rounding_whatever_the_chunks(make_model, tmp_path, monkeypatch, dtype):
    model = make_model("model", 0, dtype=dtype, **WHOLE)
    expected = adapter_for(model, tmp_path / "adapter")
    digests = []
    for chunk in (1 << 18, 7):
        monkeypatch.setattr(lora, "CHUNK_ELEMENTS", chunk)
        out = tmp_path / f"out{chunk}"
        out.mkdir()
        records = merge_adapter(model, tmp_path / "adapter", out)
        assert records == digest_tensors(out)
        digests.append(records)
    assert digests[0] == digests[1]
    before, merged = load_tensors(model), load_tensors(out)
    changed = {name for name in before if not torch.equal(before[name], merged[name])}
    assert changed == {name for name in before if name.split(".")[-2] in LINEAR_LAYERS and name.endswith("weight")}
    bound = {torch.float32: 1e-6, torch.bfloat16: 2**-8}[dtype]
    for name, tensor in merged.items():
        assert tensor.dtype == dtype
        torch.testing.assert_close(tensor.float(), expected[name], rtol=bound, atol=bound / 100)


def test_adapter_of_another_model_or_of_no_numbers_is_refused(make_model, tmp_path):
    model, other = make_model("model", 0, **WHOLE), make_model("other", 0)
    adapter_for(model, tmp_path / "adapter")
    with pytest.raises(UserError, match=r"adapter: updates 'model.layers.0.+, which the model does not have"):
        merge_adapter(other, tmp_path / "adapter", tmp_path)
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    tensors = load_tensors(tmp_path / "adapter")
    next(iter(tensors.values()))[0, 0] = math.nan
    save_file(tensors, weights)
    with pytest.raises(UserError, match=r"adapter_model\.safetensors: tensor .* holds NaN"):
        merge_adapter(model, tmp_path / "adapter", tmp_path)
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(UserError, match=r"adapter_model\.safetensors: cannot be read"):
        merge_adapter(model, tmp_path / "adapter", tmp_path)


@pytest.fixture
def pair(make_model, tmp_path):
    """A model and an adapter over it; returns what PEFT merges them to."""
    return adapter_for(make_model("model", 0, **WHOLE), tmp_path / "adapter")


def convert(tmp_path, **known):
    entry = ModelEntry(adapter=str(tmp_path / "adapter"), over="model", licence="MIT", **known)
    out = tmp_path / "slow"
    return convert_model(entry, find_over(str(tmp_path / "model")), out, str(out), "slow.yaml")


def test_rank_stabilised_adapter_is_merged_as_peft_does(make_model, tmp_path):
    model = make_model("model", 0, **WHOLE)
    expected = adapter_for(model, tmp_path / "adapter", use_rslora=True)
    merge_adapter(model, tmp_path / "adapter", tmp_path)
    for name, tensor in load_tensors(tmp_path).items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"peft_type": "IA3"}, "is an adapter of type IA3, not LORA"),
        ({"use_dora": True}, "key 'use_dora' is not supported here"),
        ({"rank_pattern": {"q_proj": 2}}, "key 'rank_pattern' is not supported here"),
        ({"modules_to_save": ["lm_head"]}, "key 'modules_to_save' is not supported here"),
        ({"alora_invocation_tokens": [3, 5]}, "key 'alora_invocation_tokens' is not supported here"),
    ],
)
def test_adapter_that_would_be_merged_wrongly_is_refused_with_what_to_do(pair, tmp_path, changed, message):
    config = tmp_path / "adapter" / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | changed))
    with pytest.raises(UserError, match=f"{message}; merge it into its model with PEFT"):
        convert(tmp_path)
    assert not (tmp_path / "slow").exists()


@pytest.mark.parametrize("begun", ["pissa", "olora", "gaussian", "orthogonal"])
def test_adapter_over_weights_that_peft_changed_is_refused_and_any_other_merged(make_model, tmp_path, begun):
    model, adapter = make_model("model", 0, **WHOLE), tmp_path / "adapter"
    expected = adapter_for(model, adapter, init_lora_weights=begun)
    if begun in ("pissa", "olora"):
        with pytest.raises(UserError, match=f"'init_lora_weights' is '{begun}': .*merge it into its model with PEFT"):
            merge_adapter(model, adapter, tmp_path)
        return
    merge_adapter(model, adapter, tmp_path)
    for name, tensor in load_tensors(tmp_path).items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-6, atol=1e-8)


def test_update_of_something_else_than_a_linear_layer_is_refused_by_name(pair, tmp_path):
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    save_file({**load_tensors(tmp_path / "adapter"), "base_model.model.lm_head.weight": torch.ones(2)}, weights)
    with pytest.raises(UserError, match=r"tensor 'base_model\.model\.lm_head\.weight' is not one of a linear layer"):
        convert(tmp_path)


def test_model_from_an_adapter_says_what_it_was_made_of_and_is_a_model_like_any_other(pair, tmp_path):
    manifest = convert(tmp_path)
    assert read_manifest(tmp_path / "slow" / MANIFEST_NAME, "fetched") == manifest
    assert manifest.parents[0].content_id == Checkpoint.find(str(tmp_path / "model")).manifest.content_id
    assert set(manifest.recipe["sha256"]) == {"adapter_config.json", "adapter_model.safetensors"}
    assert manifest.licence == "MIT"
    merged = load_tensors(Checkpoint.find(manifest.source).checked_weights())
    for name, tensor in merged.items():
        torch.testing.assert_close(tensor, pair[name], rtol=1e-6, atol=1e-8)


def test_files_of_a_model_from_an_adapter_are_made_again_the_same(pair, tmp_path):
    manifest = convert(tmp_path)
    weights = tmp_path / "slow" / "model.safetensors"
    before = weights.read_bytes()
    weights.unlink()
    convert_again(manifest, tmp_path / "slow")
    assert weights.read_bytes() == before
    assert read_manifest(tmp_path / "slow" / MANIFEST_NAME) == manifest


def test_model_is_not_made_again_from_another_adapter(pair, tmp_path):
    manifest = convert(tmp_path)
    adapter_for(tmp_path / "model", tmp_path / "adapter", seed=1)
    with pytest.raises(UserError, match=f"expected {manifest.content_id}"):
        convert_again(manifest, tmp_path / "slow")
    assert Checkpoint.find(str(tmp_path / "slow")).checked_weights() == tmp_path / "slow"


def test_model_from_an_adapter_must_be_what_its_entry_says(pair, tmp_path):
    with pytest.raises(UserError, match=r"slow.yaml: key 'tied': expected True, found False"):
        convert(tmp_path, tied=True)
    assert not (tmp_path / "slow").exists()


@pytest.mark.parametrize(
    "values",
    [{"gguf": "a.gguf", "path": "b"}, {"adapter": "a"}, {"gguf": "a.gguf", "over": "b"}, {"over": "b"}, {}],
)
def test_entry_names_one_source(values):
    with pytest.raises(UserError, match="give either 'repo' and 'revision', or 'path', or 'gguf', or 'adapter' and"):
        validate(ModelEntry, values, "m.yaml")


def test_file_that_is_no_gguf_is_one_line(tmp_path):
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF but not really" * 10)
    for entry in (ModelEntry(gguf=str(file)), ModelEntry(gguf=str(tmp_path / "gone.gguf"))):
        with pytest.raises(UserError, match=r"model.gguf: is no GGUF file|gone.gguf: no such file; put the GGUF"):
            convert_model(entry, None, tmp_path / "out", "out", "m.yaml")
    assert not (tmp_path / "out").exists()
