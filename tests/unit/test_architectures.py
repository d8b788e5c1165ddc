"""Every method, calibration and the decoding of tiny models of other architectures equal naive references."""

import json
import shutil

import numpy as np
import pytest
import torch
import transformers
from merges import expected, merge, parse
from methods.recipes import RECIPES, slow_models
from support import load_tensors, save_model
from test_calibration import naive_activations, naive_information, naive_sensitivities, whole
from transformers import AutoModelForCausalLM

from l2s.calibration.hidden_states import Room
from l2s.calibration.kinds import activations, fisher, logit_distances, mutual_information, sensitivities
from l2s.calibration.streamed import StreamedModel
from l2s.calibration.texts import Text
from l2s.checkpoints.headers import read_headers
from l2s.checkpoints.preflight import compare
from l2s.checkpoints.weights import describe_model
from l2s.checkpoints.whole_model import load_whole
from l2s.decoding.engines import transformers_engine
from l2s.decoding.engines.interface import Request
from l2s.decoding.settings import DecodingEntry
from l2s.decoding.stopping import Stops
from l2s.errors import UserError
from l2s.merging.engine.run import Workers, merge_checkpoint

SIZES = {
    "vocab_size": 120,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": None,
}
WINDOW = 8  # shorter than the texts
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}
FAMILIES = {
    "llama": {"tie_word_embeddings": True},
    "qwen2": {},
    "qwen3": {"head_dim": 8},
    "mistral": {"sliding_window": WINDOW},
    "gemma": {"head_dim": 8},
    "gemma2": {"head_dim": 8, "sliding_window": WINDOW},
    "gemma3_text": {
        "head_dim": 8,
        "sliding_window": WINDOW,
        "layer_types": ["sliding_attention", "full_attention"],
        "tie_word_embeddings": False,
    },
    "phi": {},
    "phi3": {},
    "qwen3_moe": {"head_dim": 8, **EXPERTS},
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
}
CALIBRATED = ["mistral", "gemma", "gemma3_text", "phi3"]  # others are in test_calibration.py
REFUSED = {
    "gemma2": "not gemma2",
    "phi": "not phi",
    "qwen3_moe": "not qwen3_moe",
    "mixtral": "not mixtral",
}
ROOM = Room(1 << 30)
ONE_EACH = {recipe["method"]: recipe for recipe in reversed(RECIPES) if slow_models(recipe)[0] == 1}


def random_model(folder, family, seed, near=None, **sizes):
    """Write a model of random weights, biases and norms too; near another one if that is given; return it."""
    torch.manual_seed(seed)
    config = transformers.AutoConfig.for_model(family, **{**SIZES, **FAMILIES[family], **sizes})
    model = near or AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn_like(parameter)
            parameter.copy_(parameter + 0.05 * noise if near else 0.2 * noise + (parameter.dim() == 1))
    model.save_pretrained(folder)
    return model


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Write quick and slow model of a family, once: pair(family) -> folders."""
    root, made = tmp_path_factory.mktemp("pairs"), {}

    def make(family):
        if family not in made:
            made[family] = [root / family / side for side in ("quick", "slow")]
            random_model(made[family][1], family, 2, near=random_model(made[family][0], family, 1))
        return made[family]

    return make


@pytest.fixture(scope="module")
def texts():
    generator = torch.Generator().manual_seed(0)
    lengths = {"0": 30, "1": 21, "2": 5}
    return [
        Text(row, torch.randint(3, SIZES["vocab_size"], (length,), generator=generator), length // 2, cut=False)
        for row, length in lengths.items()
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_merges_by_every_method_equal_the_float64_references(pair, tmp_path, family):
    base, slow = pair(family)
    assert not [finding for finding in compare([base, slow]) if finding.differs]
    layered = any("mlp.down_proj" in name for name in load_tensors(base))
    for method, recipe in ONE_EACH.items():
        if method == "acm" and not layered:
            with pytest.raises(UserError, match=r"method 'acm' reads .* layer 0 of these models has no tensor"):
                merge(recipe, base, [slow], tmp_path / method)
            continue
        merge({**recipe, "dtype": "float32"}, base, [slow], tmp_path / method)
        merged, wanted = load_tensors(tmp_path / method), expected(recipe, base, [slow])
        assert merged.keys() == wanted.keys()
        for name, values in wanted.items():
            np.testing.assert_allclose(merged[name].double(), values, rtol=1e-5, atol=1e-5, err_msg=f"{method}, {name}")


@pytest.mark.parametrize("family", FAMILIES)
def test_an_average_on_the_disk_is_the_average_of_the_models_in_memory(pair, tmp_path, family):
    base, slow = pair(family)
    merge({"method": "average", "dtype": "float32"}, base, [slow], tmp_path / "out")
    describe_model(tmp_path / "out", "test")  # as a model that somebody else made
    quick, other, merged = (
        dict(load_whole(folder, "float32").named_parameters()) for folder in (base, slow, tmp_path / "out")
    )
    assert merged.keys() == quick.keys()
    for name, values in merged.items():
        torch.testing.assert_close(values, (quick[name] + other[name]) / 2, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("family", CALIBRATED)
def test_calibrations_equal_autograd_and_hooks_on_the_whole_model(pair, texts, family):
    folders = pair(family)
    with StreamedModel(folders[0]) as model, StreamedModel(folders[1]) as other:
        measured = sensitivities.measure(model, texts, ROOM)
        found = activations.measure(model, texts, ROOM)
        wanted = naive_activations(folders[0], texts)
        assert found.keys() == wanted.keys()
        for name, means in found.items():
            torch.testing.assert_close(means.double(), wanted[name], rtol=1e-4, atol=1e-6)
        distances = logit_distances.measure(model, other, texts, ROOM)
        information = {found[:2]: found[2:] for found in mutual_information.measure(model, other, texts, ROOM)}
        curvature = fisher.measure(model, 2, ROOM)
    assert measured == pytest.approx(naive_sensitivities(folders[0], texts), rel=1e-4)
    logits = [[logits_of(folder, text) for text in texts] for folder in folders]
    naive = [float((a - b).square().sum(dim=1).mean()) for a, b in zip(*logits, strict=True)]
    assert distances == pytest.approx(naive, rel=1e-4)
    expected_information = naive_information(folders, texts)
    assert information.keys() == expected_information.keys()
    for key, (outputs, value) in expected_information.items():
        assert information[key] == (outputs, pytest.approx(value, rel=0.01))
    assert curvature == pytest.approx(naive_curvature(folders[0], 2), rel=1e-4)


def logits_of(folder, text):
    with torch.no_grad():
        return whole(folder)(text.ids[None]).logits[0, text.answer_start - 1 : -1].double()


def naive_curvature(folder, sequences):
    model, sums = whole(folder), {}
    for text in fisher.random_texts(sequences, SIZES["vocab_size"]):
        model.zero_grad()
        model(text.ids[None], labels=text.ids[None]).loss.backward()
        for name, parameter in model.named_parameters():
            sums[name] = sums.get(name, 0.0) + float(parameter.grad.double().square().sum()) / sequences
    return sums


@pytest.mark.parametrize("family", REFUSED)
def test_calibration_refuses_by_name_what_it_does_not_know(pair, family):
    with pytest.raises(UserError, match=f"config.json: calibration knows gemma, .*, {REFUSED[family]}$"):
        StreamedModel(pair(family)[0])


def test_capped_logits_are_refused_by_their_key(pair, tmp_path):
    folder = shutil.copytree(pair("gemma3_text")[0], tmp_path / "capped")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "final_logit_softcapping": 30.0}))
    with pytest.raises(UserError, match="does not know the key 'final_logit_softcapping' of this gemma3_text"):
        StreamedModel(folder)


def test_attention_is_capped_where_the_config_says_so(pair, tmp_path, texts):
    folder = tmp_path / "model"
    model = random_model(folder, "gemma2", 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)  # so that the caps matter
    model.save_pretrained(folder)
    found = load_whole(folder, "float32").eval()
    uncapped = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
    ids = texts[0].ids[None]
    with torch.no_grad():
        torch.testing.assert_close(found(ids).logits, whole(folder)(ids).logits)
        assert not torch.allclose(uncapped(ids).logits, found(ids).logits, atol=0.1)


@pytest.mark.parametrize("family", FAMILIES)
def test_decoding_equals_one_at_a_time_generation_by_transformers(pair, family):
    folder = pair(family)[1]
    settings = DecodingEntry(
        prompt="demo", max_new_tokens=12, engine="transformers", device="cpu", dtype="float32", cpu_threads=1
    )
    generator = torch.Generator().manual_seed(1)
    prompts = [torch.randint(3, SIZES["vocab_size"], (n,), generator=generator).tolist() for n in (5, 19, 11)]
    requests = [Request(str(n), tuple(ids), 12, "budget") for n, ids in enumerate(prompts)]
    stops = Stops(frozenset({2}), (), None)
    engine = transformers_engine.start(folder, settings, stops)
    (found,) = engine.decode([requests], lambda *_: None)
    model = load_whole(folder, "float32").eval()
    for ids, completion in zip(prompts, found, strict=True):
        out = model.generate(torch.tensor([ids]), max_new_tokens=12, do_sample=False, eos_token_id=2)
        assert list(completion.output_ids) == out[0, len(ids) :].tolist()


@pytest.fixture
def resized(pair, tmp_path):
    """A pair whose slow model has a few rows of the vocabulary more, as after tokens were added."""
    more = SIZES["vocab_size"] + 3
    base, slow = pair("qwen2")
    model = load_whole(slow, "float32")
    model.resize_token_embeddings(more)
    model.save_pretrained(tmp_path / "resized")
    vocabulary = {f"t{n}": n for n in range(more)}
    tokenizer = {"model": {"type": "WordLevel", "vocab": vocabulary}, "added_tokens": []}
    (tmp_path / "resized" / "tokenizer.json").write_text(json.dumps(tokenizer))
    return base, tmp_path / "resized"


def test_of_vocabularies_with_other_numbers_of_rows_those_are_merged_that_all_have(resized, pair, tmp_path):
    base, slow = resized
    rows = SIZES["vocab_size"]
    assert {finding.topic: finding.values for finding in compare(resized)}["vocabulary rows"] == ("120", "123")
    assert all(finding.policy is not None for finding in compare(resized))
    parsed, parents = parse({"method": "ties", "dtype": "float32"}, base, [slow])
    known = {folder: describe_model(folder, "test").tensors for folder in resized}
    manifest = merge_checkpoint(parsed, parents, tmp_path / "out", Workers(1), known=known)
    assert manifest.policies["vocabulary rows"] == "the first 120 rows (120 in base, 123 in model 1)"
    merged = load_tensors(tmp_path / "out")
    of_equal_rows = expected({"method": "ties"}, base, [pair("qwen2")[1]])
    for name, values in of_equal_rows.items():
        np.testing.assert_allclose(merged[name].double(), values, rtol=1e-6, atol=1e-6, err_msg=name)
    assert load_whole(tmp_path / "out", "float32").config.vocab_size == rows
    weights = bytearray((slow / "model.safetensors").read_bytes())
    place = read_headers(slow)["model.embed_tokens.weight"]
    weights[place.start + place.nbytes - 1] ^= 1  # in a row that is left out
    (slow / "model.safetensors").write_bytes(weights)
    with pytest.raises(UserError, match=r"tensor 'model.embed_tokens.weight' is not the one that the model's manifest"):
        merge_checkpoint(parsed, parents, tmp_path / "again", Workers(1), known=known)


def test_a_tokenizer_with_tokens_beyond_the_merged_rows_is_refused(resized, tmp_path):
    base, slow = resized
    with pytest.raises(UserError, match=r"tokenizer of the model 1 .* needs 123 rows of the vocabulary, and only 120"):
        merge({"method": "ties", "tokenizer": "slow"}, base, [slow], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_shards_and_dtypes_may_differ_between_the_parents(pair, tmp_path):
    base, slow = pair("qwen3")
    sharded = tmp_path / "sharded"
    shutil.copytree(base, sharded)
    (sharded / "model.safetensors").unlink()
    half = {name: tensor.bfloat16() for name, tensor in load_tensors(base).items()}
    save_model(sharded, half, shards=3)
    manifest = merge({"method": "ties", "dtype": "float32"}, sharded, [slow], tmp_path / "out")
    wanted = expected({"method": "ties"}, sharded, [slow])
    for name, tensor in load_tensors(tmp_path / "out").items():
        np.testing.assert_allclose(tensor.double(), wanted[name], rtol=1e-6, atol=1e-6)
    assert "(BF16; F32)" in manifest.policies["dtypes"]
