"""Preflight: what differs between models is found from headers, small files and samples, each with a policy."""

import json
import shutil
import subprocess
import sys

import pytest
import torch
from merges import merge
from support import DEMO, ROOT, load_tensors, save_model

from l2s.checkpoints.preflight import compare
from l2s.errors import UserError


def differing(*folders):
    return {finding.topic: finding for finding in compare(folders) if finding.differs}


def edit_json(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture
def pair(tmp_path):
    return [shutil.copytree(DEMO / name, tmp_path / name) for name in ("quick", "slow")]


def test_the_demo_pair_differs_in_nothing(pair):
    assert differing(*pair) == {}


@pytest.mark.parametrize(
    ("file", "changes", "topic"),
    [
        ("config.json", {"max_position_embeddings": 99}, "context_length"),
        ("config.json", {"rope_theta": 5e5}, "rope"),
        ("config.json", {"eos_token_id": 7}, "end-of-sequence ids"),
        ("generation_config.json", {"temperature": 0.6}, "generation config"),
        ("tokenizer_config.json", {"chat_template": "{{ messages }}"}, "chat template"),
    ],
)
def test_difference_of_a_small_file_has_a_policy(pair, file, changes, topic):
    edit_json(pair[1] / file, **changes)
    found = differing(*pair)
    assert set(found) <= {topic, "generation config", "end-of-sequence ids"} and topic in found
    assert found[topic].policy and len(set(found[topic].values)) == 2


def test_chat_template_that_is_no_text_is_another_one(pair):
    (pair[1] / "chat_template.jinja").write_bytes(b"\xff{{ messages }}")
    assert "chat template" in differing(*pair)


def test_token_ids_with_other_meanings_are_found_and_written_into_the_manifest(pair, tmp_path):
    tokenizer = json.loads((pair[1] / "tokenizer.json").read_text())
    tokenizer["added_tokens"][1]["content"] = "<think>"
    (pair[1] / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert "the other side's meanings are lost" in differing(*pair)["special tokens"].policy
    manifest = merge({"method": "ties"}, pair[0], [pair[1]], tmp_path / "out")
    assert "special tokens" in manifest.policies
    assert (tmp_path / "out" / "tokenizer.json").read_bytes() == (pair[0] / "tokenizer.json").read_bytes()
    merge({"method": "ties", "tokenizer": "slow"}, pair[0], [pair[1]], tmp_path / "slow-side")
    assert (tmp_path / "slow-side" / "tokenizer.json").read_bytes() == (pair[1] / "tokenizer.json").read_bytes()


def test_unrelated_models_are_merged_with_a_warning(make_model, tmp_path):
    base, near = make_model("base", 0), make_model("near", 1, near=tmp_path / "base")
    stranger = make_model("stranger", 2)
    assert "related to the first" not in differing(base, near)
    (_, shown) = differing(base, stranger)["related to the first"].values
    assert abs(float(shown.split("cosine ")[1])) < 0.2
    assert 100 < float(shown.removeprefix("shifted by ").split("%")[0]) < 200
    manifest = merge({"method": "task_arithmetic"}, base, [stranger], tmp_path / "out")
    assert "rarely make sense" in manifest.policies["related to the first"]


def test_tied_and_untied_and_other_dtypes_are_told(make_model):
    tied = make_model("tied", 0, torch.bfloat16, drop=("lm_head.weight",))
    found = differing(tied, make_model("untied", 1))
    assert found["tied embeddings"].values == ("yes", "no")
    assert found["dtypes"].values == ("BF16", "F32")


def test_models_of_other_shapes_cannot_be_merged(make_model):
    base, other = make_model("base", 0), make_model("other", 1)
    tensors = load_tensors(other)
    tensors["model.layers.0.input_layernorm.weight"] = torch.ones(17)
    save_model(other, tensors)
    assert differing(base, other)["tensors besides lm_head"].policy is None


def preflight(*folders):
    command = [sys.executable, str(ROOT / "scripts" / "preflight.py"), *map(str, folders)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_command_prints_a_table_and_fails_where_merging_would(pair, make_model):
    edit_json(pair[1] / "config.json", max_position_embeddings=4096)
    done = preflight(*pair)
    assert done.returncode == 0 and "4096" in done.stdout and "the slow model's" in done.stdout
    assert "verdict: these models can be merged; context_length: as the last column says" in done.stdout
    assert "calibrations" not in done.stdout
    for folder in pair:
        edit_json(folder / "config.json", model_type="mixtral")
    assert "only methods that read no calibrations can merge them: calibration knows" in preflight(*pair).stdout
    done = preflight(pair[0], make_model("other", 1))
    assert done.returncode == 1
    assert "these models cannot be merged: they differ in architecture, heads, tensors besides lm_head" in done.stderr
    assert "nothing to compare it with" in preflight(pair[0]).stderr


def test_damaged_model_is_named(pair):
    weights = pair[1] / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"slow/model.safetensors: holds"):
        compare(pair)
