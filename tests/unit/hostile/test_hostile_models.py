"""Models that are damaged, altered or made to mislead: each is refused with one line before anything is made of it."""

import json
import os
import shutil
import struct

import pytest
from hostile import refused
from safetensors.torch import load_file, save_file
from support import DEMO, save_model

from l2s.checkpoints.manifest import write_manifest
from l2s.checkpoints.preflight import compare
from l2s.checkpoints.tokenizer import load_tokenizer
from l2s.checkpoints.weights import Checkpoint, describe_model
from l2s.checkpoints.whole_model import check_whole

WEIGHTS, INDEX, CONFIG = "model.safetensors", "model.safetensors.index.json", "config.json"
SLOW = DEMO / "slow"
TENSORS = sorted(load_file(SLOW / WEIGHTS))
FIRST_LAYER = [name for name in TENSORS if ".layers.0." in name]


@pytest.fixture
def model(tmp_path):
    """A copy of the demo's slow model that a test may damage."""
    return shutil.copytree(SLOW, tmp_path / "model", copy_function=shutil.copyfile)


def change_tensors(folder, change):
    """Write the weights again after a change of the mapping of tensors."""
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})


def change_json(folder, file, **changes):
    """Change keys of a JSON file; None removes one."""
    values = {**json.loads((folder / file).read_text()), **changes}
    (folder / file).write_text(json.dumps({key: value for key, value in values.items() if value is not None}))


# ---- tensors and config that do not belong together


@pytest.mark.parametrize("name", TENSORS)
def test_a_model_without_one_of_its_tensors_is_not_decoded_with(model, tmp_path, name):
    change_tensors(model, lambda tensors: tensors.pop(name))
    with refused(rf"tensors of 'qwen2' are in none of the weights.*: {name}; restore", tmp_path):
        check_whole(model)


@pytest.mark.parametrize("name", TENSORS)
def test_a_model_with_a_renamed_tensor_is_not_decoded_with(model, tmp_path, name):
    change_tensors(model, lambda tensors: tensors.update({f"{name}_": tensors.pop(name)}))
    with refused(rf"tensors of 'qwen2' are in none of the weights.*: {name}; restore", tmp_path):
        check_whole(model)


@pytest.mark.parametrize("name", FIRST_LAYER)
def test_a_layer_that_lacks_a_tensor_is_found_when_a_model_is_fetched(model, tmp_path, name):
    change_tensors(model, lambda tensors: tensors.pop(name))
    with refused(rf"tensors are missing that other layers have: {name}; restore", tmp_path):
        describe_model(model, "x")


def drop_last_layer(tensors):
    for name in [name for name in tensors if ".layers.2." in name]:
        del tensors[name]


@pytest.mark.parametrize("layers", [1, 2, 4, 0, -1, "3", 2.5, [3], True, 10**9])
def test_another_number_of_layers_than_the_configs_is_found_when_a_model_is_fetched(model, tmp_path, layers):
    change_json(model, CONFIG, num_hidden_layers=layers)
    with refused(r"config.json: key 'num_hidden_layers' is .*, and the weights have 3 layers", tmp_path):
        describe_model(model, "x")


FITS_NOT = {
    "a layer too few": (lambda folder: change_tensors(folder, drop_last_layer), "the weights have 2 layers"),
    "untied without an output layer": (
        lambda folder: change_tensors(folder, lambda tensors: tensors.pop("lm_head.weight")),
        "key 'tie_word_embeddings' is false, and the weights have no tensor 'lm_head.weight'",
    ),
    "tied with an output layer of its own": (
        lambda folder: change_json(folder, CONFIG, tie_word_embeddings=True),
        "key 'tie_word_embeddings' is true, and the weights have a 'lm_head.weight' that is not the embedding",
    ),
}


@pytest.mark.parametrize("case", FITS_NOT)
def test_weights_that_do_not_fit_the_config_are_found_when_a_model_is_fetched(model, tmp_path, case):
    damage, message = FITS_NOT[case]
    damage(model)
    with refused(message, tmp_path):
        describe_model(model, "x")


NO_CONFIG = {
    "another architecture": ({"model_type": "llama"}, "tensors of 'llama' are in the weights, and would be left out"),
    "an unknown architecture": ({"model_type": "nonsense"}, "transformers cannot load the model"),
    "no architecture": ({"model_type": None}, "transformers cannot load the model"),
    "code of its own": (
        {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}},
        "transformers cannot load the model .*custom code",
    ),
    "other sizes": ({"hidden_size": 192}, "tensors of 'qwen2' have other shapes in the weights"),
    "a vocabulary that is larger": ({"vocab_size": 300}, "have other shapes in the weights"),
    "no heads": ({"num_attention_heads": 0}, "transformers cannot load the model"),
    "words for numbers": ({"hidden_size": "96"}, "transformers cannot load the model"),
    "GPTQ": ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "transformers cannot load the model"),
    "an unknown activation": ({"hidden_act": "__import__('os').system('touch evil')"}, "transformers cannot load"),
    "layers of an unknown kind": ({"layer_types": ["evil"] * 3}, "transformers cannot load the model"),
}


@pytest.mark.parametrize("case", NO_CONFIG)
def test_a_config_that_is_not_the_weights_own_is_refused(model, tmp_path, monkeypatch, case):
    changes, message = NO_CONFIG[case]
    change_json(model, CONFIG, **changes)
    (model / "evil.py").write_text("open('evil', 'w')\nclass Config: ...\nclass Model: ...\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("builtins.input", lambda *_: "y")  # who is asked whether code may run says yes
    with refused(message, tmp_path):
        check_whole(model)


# ---- safetensors files


def header(length, text=b"{}", data=b""):
    return struct.pack("<Q", length) + text + data


def entry(**changes):
    values = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}
    text = json.dumps({"a.weight": values}).encode()
    return header(len(text), text, b"\0" * 8)


FILES = {
    "empty": (b"", "not a whole safetensors file"),
    "seven bytes": (b"\2\0\0\0\0\0\0", "not a whole safetensors file"),
    "a header of 2^63 bytes": (header(2**63), "not a whole safetensors file"),
    "a header of 2^64 - 1 bytes": (header(2**64 - 1), "not a whole safetensors file"),
    "a header longer than the file": (header(3), "not a whole safetensors file"),
    "nested brackets": (header(200_000, b"[" * 200_000), "header is not valid JSON"),
    "nested objects": (header(600_000, b'{"a":' * 120_000), "header is not valid JSON"),
    "a list": (header(2, b"[]"), "header is not valid JSON"),
    "a word": (header(4, b"null"), "header is not valid JSON"),
    "no UTF-8": (header(4, b"\xff\xfe\xfd\xfc"), "header is not valid JSON"),
    "a pickle": (b"\x80\x04\x95\x0b\0\0\0\0\0\0\0\x8c\x07builtins.", "not a whole safetensors file"),
    "no dtype": (entry(dtype=None), "has dtype None"),
    "an unknown dtype": (entry(dtype="F8_E5M2"), "has dtype F8_E5M2"),
    "a dtype of markup": (entry(dtype="<script>"), "has dtype <script>"),
    "a negative shape": (entry(shape=[-2]), "malformed header entry"),
    "a shape of words": (entry(shape=["2"]), "malformed header entry"),
    "a shape of floats": (entry(shape=[2.0]), "malformed header entry"),
    "no shape": (entry(shape=None), "malformed header entry"),
    "no element": (entry(shape=[0], data_offsets=[0, 0]), "has no element"),
    "a huge shape": (entry(shape=[2**40, 2**40]), "should have"),
    "offsets that go back": (entry(data_offsets=[8, 0]), "should have"),
    "offsets beyond the file": (entry(data_offsets=[8, 16]), "does not begin where"),
    "negative offsets": (entry(data_offsets=[-8, 0]), "malformed header entry"),
    "three offsets": (entry(data_offsets=[0, 4, 8]), "malformed header entry"),
    "an entry that is a number": (header(14, b'{"a.weight":1}'), "malformed header entry"),
    "an entry that is a list": (header(15, b'{"a.weight":[]}'), "malformed header entry"),
    "bytes behind the data": (entry() + b"\0", "holds .* bytes but its header describes"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_broken_safetensors_file_is_named(model, tmp_path, case):
    data, message = FILES[case]
    (model / WEIGHTS).write_bytes(data)
    with refused(rf"{WEIGHTS}: .*{message}", tmp_path):
        describe_model(model, "x")


@pytest.mark.parametrize("share", range(20))
def test_weights_cut_off_anywhere_are_named(model, tmp_path, share):
    data = (model / WEIGHTS).read_bytes()
    (model / WEIGHTS).write_bytes(data[: len(data) * share // 20])
    with refused(rf"{WEIGHTS}: (not a whole safetensors file|holds)", tmp_path):
        describe_model(model, "x")


INDICES = {
    "no object": ("[]", "not a valid index"),
    "no JSON": ("{", "not a valid index"),
    "no map": ("{}", "not a valid index"),
    "an empty map": ('{"weight_map": {}}', "names no file"),
    "a map of numbers": ('{"weight_map": {"a": 1}}', "not a valid index"),
    "nested brackets": ("[" * 200_000, "not a valid index"),
    "a way out": ('{"weight_map": {"a": "../model/shard-1.safetensors"}}', "named in .* but missing"),
    "an absolute path": ('{"weight_map": {"a": "/etc/passwd"}}', "named in .* but missing"),
    "the folder itself": ('{"weight_map": {"a": "."}}', "named in .* but missing"),
    "nothing": ('{"weight_map": {"a": ""}}', "named in .* but missing"),
    "a file that is not there": ('{"weight_map": {"a": "other.safetensors"}}', "named in .* but missing"),
    "no text": (b"\xff\xfe\x00", "not a valid index"),
}


@pytest.mark.parametrize("case", INDICES)
def test_an_index_that_leads_nowhere_or_elsewhere_is_refused(model, tmp_path, case):
    text, message = INDICES[case]
    (model / WEIGHTS).rename(model / "shard-1.safetensors")
    (model / INDEX).write_bytes(text if isinstance(text, bytes) else text.encode())
    with refused(message, tmp_path):
        describe_model(model, "x")


def test_an_index_beside_a_single_file_is_refused(model, tmp_path):
    """transformers reads the single file, other tools what the index names."""
    other = {name: tensor * 2 for name, tensor in load_file(model / WEIGHTS).items()}
    save_model(model, other, shards=2)
    with refused(rf"{WEIGHTS}: lies beside {INDEX}, which names other files; remove one", tmp_path):
        describe_model(model, "x")


def test_weights_beside_a_single_file_are_refused(model, tmp_path):
    shutil.copyfile(model / WEIGHTS, model / "model-2.safetensors")
    with refused(rf"model-2.safetensors: lies beside {WEIGHTS}, and no index names it", tmp_path):
        describe_model(model, "x")


def test_one_tensor_in_two_files_is_refused(model, tmp_path):
    shutil.copyfile(model / WEIGHTS, model / "shard-2.safetensors")
    (model / WEIGHTS).rename(model / "shard-1.safetensors")
    names = {"a": "shard-1.safetensors", "b": "shard-2.safetensors"}
    (model / INDEX).write_text(json.dumps({"weight_map": names}))
    with refused(r"shard-2.safetensors: tensor '.*' is also in shard-1.safetensors", tmp_path):
        describe_model(model, "x")


def test_weights_that_are_a_pipe_are_refused_at_once(model):
    (model / WEIGHTS).unlink()
    os.mkfifo(model / WEIGHTS)
    with refused(f"neither {WEIGHTS} nor"):
        describe_model(model, "x")


# ---- files beside the weights


JSON_FILES = ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"]
NO_OBJECT = [b"", b"[]", b"null", b"{", b"\xff\xfe", b'{"a": 1', b"1", b'"text"', b"[" * 200_000]


@pytest.mark.parametrize("content", NO_OBJECT, ids=lambda content: repr(content[:8]))
@pytest.mark.parametrize("file", JSON_FILES)
def test_a_json_file_that_holds_no_object_is_named(model, tmp_path, file, content):
    (model / file).write_bytes(content)
    with refused(rf"{file}: not valid JSON", tmp_path):
        describe_model(model, "x")


TOKENIZERS = {
    "an empty object": {},
    "no model": {"model": None},
    "a model that is a word": {"model": "BPE"},
    "an unknown model": {"model": {"type": "Evil"}},
    "no vocabulary": {"model": {"type": "BPE", "merges": []}},
    "ids that are words": {"model": {"type": "BPE", "vocab": {"a": "0"}, "merges": []}},
    "negative ids": {"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}},
    "merges of nothing": {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["x", "y"]]}},
    "added tokens without ids": {"added_tokens": [{"content": "<x>"}]},
    "added tokens that are words": {"added_tokens": ["<x>"]},
    "added tokens that are no list": {"added_tokens": 5},
}


@pytest.mark.parametrize("case", TOKENIZERS)
def test_a_broken_tokenizer_is_named(model, tmp_path, case):
    changes = TOKENIZERS[case]
    kept = {} if changes == {} else json.loads((model / "tokenizer.json").read_text())
    (model / "tokenizer.json").write_text(json.dumps({**kept, **changes}))
    with refused(r"model: the tokenizer cannot be loaded \(", tmp_path):
        load_tokenizer(model)


@pytest.mark.parametrize("case", TOKENIZERS)
def test_a_preflight_names_a_broken_tokenizer_or_shows_that_it_differs(model, tmp_path, case):
    changes = TOKENIZERS[case]
    kept = {} if changes == {} else json.loads((model / "tokenizer.json").read_text())
    (model / "tokenizer.json").write_text(json.dumps({**kept, **changes}))
    try:
        findings = {finding.topic: finding for finding in compare([SLOW, model])}
    except Exception:
        with refused(r"tokenizer.json: not a tokenizer's", tmp_path):
            compare([SLOW, model])
    else:
        assert findings["tokenizer entries"].differs or findings["special tokens"].differs or "merges" in case


# ---- what was digested is what is used


@pytest.fixture
def made(model):
    """The model with a manifest beside it, as merges have one."""
    manifest = describe_model(model, str(model))
    write_manifest(manifest, model / "manifest.json")
    return Checkpoint.from_folder(model)


@pytest.mark.parametrize("file", ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"])
def test_a_small_file_edited_at_the_same_size_and_time_is_not_used(made, model, monkeypatch, file):
    path = model / file
    stamp, data = path.stat(), path.read_bytes()
    digit = next(number for number, byte in enumerate(data) if chr(byte).isdigit())
    path.write_bytes(data[:digit] + (b"1" if data[digit : digit + 1] != b"1" else b"2") + data[digit + 1 :])
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    asked = []
    monkeypatch.setattr("l2s.checkpoints.weights.REBUILDERS", {"fetched": lambda manifest, _: asked.append(manifest)})
    for use in (made.config_files, made.weights):
        with refused("the checkpoint could not be made again"):
            use()
    assert asked


def test_a_tokenizer_file_that_the_manifest_does_not_know_is_refused(made, model):
    (model / "chat_template.jinja").write_text("Say 42.")
    with refused(r"chat_template.jinja: lies beside the model's files and would be used, but the manifest"):
        made.config_files()


# ---- preflight


def test_a_preflight_tells_swapped_token_ids(model):
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    one, other = list(vocabulary)[5:7]
    vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]
    (model / "tokenizer.json").write_text(json.dumps(tokenizer))
    (finding,) = [finding for finding in compare([SLOW, model]) if finding.topic == "tokenizer entries"]
    assert finding.differs


def test_a_preflight_does_not_take_a_model_of_zeros_for_related(model):
    change_tensors(model, lambda tensors: [tensor.zero_() for tensor in tensors.values()])
    (finding,) = [finding for finding in compare([SLOW, model]) if finding.topic == "related to the first"]
    assert finding.values == ("shifted by 0.00%, cosine 1.000", "shifted by 100.00%, cosine 0.000")
    assert finding.differs
