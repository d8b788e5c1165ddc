"""The merge engine: one manifest for one content, clear errors, expected memory, safe rebuilds."""

import json
import shutil
import threading
import time

import pytest
import torch
from merges import merge, parse
from support import load_tensors, save_model

from l2s.checkpoints.manifest import MANIFEST_NAME, read_manifest
from l2s.checkpoints.weights import Checkpoint
from l2s.errors import UserError
from l2s.merging.engine.plan import plan_merge
from l2s.merging.engine.stream import Buffers, StreamingMerge


def test_sharded_output_loads_like_the_single_file(make_model, tmp_path):
    base, slow = make_model("base", 0), make_model("slow", 1)
    one = merge({"method": "task_arithmetic"}, base, [slow], tmp_path / "one")
    many = merge({"method": "task_arithmetic", "max_shard_gb": 2e-6}, base, [slow], tmp_path / "many")
    assert one.content_id == many.content_id
    index = json.loads((tmp_path / "many" / "model.safetensors.index.json").read_text())
    assert index["weight_map"].keys() == one.tensors.keys()
    single, sharded = load_tensors(tmp_path / "one"), load_tensors(tmp_path / "many")
    assert all(torch.equal(single[name], sharded[name]) for name in single)


def test_the_same_merge_writes_the_same_manifest(make_model, tmp_path):
    base, slow = make_model("base", 0), make_model("slow", 1)
    for name in ("a", "b"):
        merge({"method": "dare_ties"}, base, [slow], tmp_path / name)
    assert (tmp_path / "a" / MANIFEST_NAME).read_bytes() == (tmp_path / "b" / MANIFEST_NAME).read_bytes()


def test_merged_config_takes_the_slow_window_and_says_so(make_model, tmp_path):
    base = make_model("base", 0, max_position_embeddings=4096)
    slow = make_model("slow", 1, max_position_embeddings=131072)
    manifest = merge({"method": "task_arithmetic"}, base, [slow], tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["max_position_embeddings"] == 131072
    assert "4096" in manifest.policies["config.max_position_embeddings"]


@pytest.mark.parametrize(("side", "pad"), [("quick", None), ("slow", 7)])
def test_merged_config_has_no_token_id_of_the_tokenizer_that_it_does_not_have(make_model, tmp_path, side, pad):
    base, slow = make_model("base", 0), make_model("slow", 1, pad_token_id=7)
    recipe = {"method": "task_arithmetic", "tokenizer": side}
    assert merge(recipe, base, [slow], tmp_path / "out").policies["config.pad_token_id"].startswith(f"{side}: 7")
    assert json.loads((tmp_path / "out" / "config.json").read_text()).get("pad_token_id") == pad


def test_tied_base_gets_an_output_layer_of_its_own(make_model, tmp_path):
    base = make_model("base", 0, drop=("lm_head.weight",), tie_word_embeddings=True)
    slow = make_model("slow", 1)
    manifest = merge({"method": "task_arithmetic", "scale": 0.5, "dtype": "float32"}, base, [slow], tmp_path / "out")
    merged, quick, r1 = load_tensors(tmp_path / "out"), load_tensors(base), load_tensors(slow)
    embedding = quick["model.embed_tokens.weight"]
    assert torch.allclose(merged["lm_head.weight"], embedding + 0.5 * (r1["lm_head.weight"] - embedding))
    assert json.loads((tmp_path / "out" / "config.json").read_text())["tie_word_embeddings"] is False
    assert "untied" in manifest.policies["lm_head"]


def test_models_of_other_shapes_are_refused_by_tensor_name(make_model, tmp_path):
    base, slow = make_model("base", 0), make_model("slow", 1)
    tensors = load_tensors(slow)
    tensors["lm_head.weight"] = tensors["lm_head.weight"][:-1].contiguous()
    save_model(slow, tensors)
    with pytest.raises(UserError, match=r"lm_head.weight.*\(24, 16\).*\(23, 16\)"):
        merge({"method": "ties"}, base, [slow], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_tensor_is_named(make_model, tmp_path):
    base = make_model("base", 0)
    slow = make_model("slow", 1, drop=("model.layers.1.mlp.down_proj.weight",))
    with pytest.raises(UserError, match=r"model\.layers\.1\.mlp\.down_proj\.weight.*but not in the model 1"):
        merge({"method": "ties"}, base, [slow], tmp_path / "out")


def test_expected_memory_holds_the_largest_tensor_of_every_model_once(make_model, tmp_path):
    base, slow = make_model("base", 0), make_model("slow", 1)
    parsed, _ = parse({"method": "twin"}, base, [slow])
    plan = plan_merge(parsed, base, [slow])
    one, eight = (StreamingMerge(plan, tmp_path, threads, chunk_elements=64).expected_bytes for threads in (1, 8))
    assert one >= 2 * 16 * 40 * 4
    assert eight - one == 7 * Buffers.expected_bytes(plan, 64)  # tensors that are merged at a time have room together


def test_whole_tensors_that_are_merged_at_a_time_fit_into_the_room_of_the_largest(make_model, tmp_path, monkeypatch):
    base, slow = make_model("base", 0, full=True), make_model("slow", 1, full=True)
    parsed, _ = parse({"method": "twin"}, base, [slow])
    running = StreamingMerge(plan_merge(parsed, base, [slow]), tmp_path, threads=3)
    at_once, seen, lock, merge_whole = [], [], threading.Lock(), running._merge_whole

    def watched(name):
        with lock:
            at_once.append(name)
            seen.append(list(at_once))
        time.sleep(0.01)  # so that others may begin meanwhile
        merged = merge_whole(name)
        with lock:
            at_once.remove(name)
        return merged

    monkeypatch.setattr(running, "_merge_whole", watched)
    running.run()
    room = max(map(running._whole_bytes, running.shapes))
    assert max(sum(map(running._whole_bytes, names)) for names in seen) <= room
    assert max(map(len, seen)) == 3


def test_rebuild_brings_back_the_same_weights_beside_the_same_manifest(make_model, tmp_path):
    base, slow = make_model("base", 0), make_model("slow", 1)
    out = tmp_path / "out"
    merge({"method": "dare_ta"}, base, [slow], out)
    manifest, weights = (out / MANIFEST_NAME).read_bytes(), (out / "model.safetensors").read_bytes()
    (out / "model.safetensors").unlink()
    assert Checkpoint.from_manifest(out / MANIFEST_NAME).weights() == out
    assert (out / "model.safetensors").read_bytes() == weights
    assert (out / MANIFEST_NAME).read_bytes() == manifest


def test_rebuild_refuses_weights_that_came_out_different(make_model, tmp_path, capfd):
    base, slow = make_model("base", 0), make_model("slow", 1)
    out = tmp_path / "out"
    merge({"method": "task_arithmetic"}, base, [slow], out)
    (out / "model.safetensors").unlink()
    save_model(slow, {name: tensor + 1 for name, tensor in load_tensors(slow).items()})
    with pytest.raises(UserError, match="could not be made again"):
        Checkpoint.from_manifest(out / MANIFEST_NAME).weights()
    assert "a parent or the code has changed" in capfd.readouterr().err
    assert not (out / "model.safetensors").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "out", "slow"]
    assert read_manifest(out / MANIFEST_NAME).kind == "merged"


def test_merged_weights_replaced_by_others_of_the_same_size_are_made_again(make_model, tmp_path):
    base, slow = make_model("base", 0), make_model("slow", 1)
    merge({"method": "ties"}, base, [slow], tmp_path / "ties")
    merge({"method": "dare"}, base, [slow], tmp_path / "dare")
    good = (tmp_path / "ties" / "model.safetensors").read_bytes()
    shutil.copy(tmp_path / "dare" / "model.safetensors", tmp_path / "ties")
    Checkpoint.from_manifest(tmp_path / "ties" / MANIFEST_NAME).checked_weights()
    assert (tmp_path / "ties" / "model.safetensors").read_bytes() == good
