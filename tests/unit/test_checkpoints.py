"""Damaged model files are found from headers and digests; positioned reads and writes match the safetensors library."""

import json

import pytest
import torch
from safetensors.torch import load_file
from support import load_tensors, save_model

from l2s.checkpoints import weights
from l2s.checkpoints.headers import read_headers
from l2s.checkpoints.manifest import read_manifest, write_manifest
from l2s.checkpoints.model_entry import ModelEntry, split_source
from l2s.checkpoints.tensors import Planned, TensorReader, TensorWriter
from l2s.checkpoints.weights import (
    REBUILDERS,
    Checkpoint,
    describe_model,
    find_weights,
    lasting_source,
    locate,
)
from l2s.config import validate
from l2s.errors import UserError
from l2s.experiment.pair_entry import PairEntry
from l2s.sources.models import fetch_model

COMMIT = "b101308fe89651ea5ce025f25317fea6fc07e96e"


def test_truncated_file_is_refused(make_model):
    weights = make_model("model", 0) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(UserError, match=r"model.safetensors: holds [\d,]+ bytes but its header describes"):
        read_headers(weights.parent)


@pytest.mark.parametrize("keep", [0, 5, 40])
def test_file_cut_inside_its_header_is_refused(make_model, keep):
    weights = make_model("model", 0) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    with pytest.raises(UserError, match="not a whole safetensors file"):
        read_headers(weights.parent)


def test_garbled_header_is_refused(make_model):
    weights = make_model("model", 0) / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[12] ^= 0xFF
    weights.write_bytes(data)
    with pytest.raises(UserError, match=r"model.safetensors.*(header|malformed|dtype)"):
        read_headers(weights.parent)


def test_bit_flip_in_the_data_is_found_by_the_pinned_content_id(make_model):
    folder = make_model("model", 0)
    pinned = describe_model(folder, "x").content_id
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-3] ^= 0x10
    weights.write_bytes(data)
    with pytest.raises(UserError, match="altered or damaged"):
        fetch_model(ModelEntry.of(str(folder), pinned), "entry")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_nan_and_infinity_are_found_before_a_model_is_used(make_model, dtype, value):
    folder = make_model("model", 0, dtype=dtype)
    tensors = load_tensors(folder)
    assert describe_model(folder, "x")
    name = sorted(tensors)[-1]
    tensors[name].view(-1)[-1] = value
    save_model(folder, tensors)
    with pytest.raises(UserError, match=rf"model.safetensors: tensor '{name}' holds NaN or infinity; fetch"):
        describe_model(folder, "x")


def test_missing_shard_is_named(make_model):
    folder = make_model("model", 0, shards=3)
    (folder / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(UserError, match=r"model-00002-of-00003.safetensors: named in .* but missing"):
        read_headers(folder)


def test_folder_without_weights_or_config_is_refused(make_model, tmp_path):
    folder = make_model("model", 0)
    (folder / "config.json").unlink()
    with pytest.raises(UserError, match=r"config.json: no such file"):
        fetch_model(ModelEntry.of(str(folder)), "entry")
    (folder / "model.safetensors").unlink()
    (folder / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"neither model.safetensors nor"):
        fetch_model(ModelEntry.of(str(folder)), "entry")
    with pytest.raises(UserError, match="no such model folder"):
        fetch_model(ModelEntry.of(str(tmp_path / "absent")), "entry")


def test_unsupported_dtype_is_named(make_model):
    folder = make_model("model", 0)
    save_model(folder, {"counts": torch.arange(4)})
    with pytest.raises(UserError, match="tensor 'counts' has dtype I64"):
        read_headers(folder)


def test_content_id_ignores_sharding_and_follows_tensors_and_config(make_model, tmp_path):
    whole, sharded = make_model("whole", 0), make_model("sharded", 0, shards=3)
    other, renamed = make_model("other", 1), make_model("renamed", 0, hidden_act="gelu")
    ids = [describe_model(folder, "x").content_id for folder in (whole, sharded, other, renamed)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_manifest_survives_writing_and_reading(make_model, tmp_path):
    manifest = describe_model(make_model("model", 0), "x")
    write_manifest(manifest, tmp_path / "manifest.json")
    assert read_manifest(tmp_path / "manifest.json") == manifest
    assert json.loads((tmp_path / "manifest.json").read_text())["content_id"] == manifest.content_id


def test_writer_and_reader_agree_with_the_safetensors_library(tmp_path):
    data = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    with TensorWriter(tmp_path, {"w": Planned("F32", (7, 5)), "b": Planned("BF16", (3,))}, 1 << 30) as writer:
        raw = memoryview(data.numpy().tobytes())
        for first in range(0, len(raw), 13):
            writer.write("w", first, raw[first : first + 13])
    assert torch.equal(load_file(tmp_path / "model.safetensors")["w"], data)
    with TensorReader(tmp_path) as reader:
        piece = bytearray(8)
        reader.read(reader.places["w"], 12, memoryview(piece))
    assert bytes(piece) == data.numpy().tobytes()[12:20]
    assert load_tensors(tmp_path)["b"].dtype == torch.bfloat16


@pytest.mark.parametrize("revision", ["main", "v1.0", COMMIT[:8], None])
def test_revision_that_is_not_a_commit_is_refused(revision):
    with pytest.raises(UserError, match=r"config/models/m.yaml.*must be a commit of a/b \(40 hex digits\)"):
        validate(ModelEntry, {"repo": "a/b", "revision": revision}, "config/models/m.yaml")


def test_sources_are_told_apart():
    assert split_source(f"a/b@{COMMIT}") == ("a/b", COMMIT)
    assert str(split_source("models/with@sign")) == "models/with@sign"


def test_pair_defaults_follow_from_quick_and_slow():
    pair = PairEntry(quick="q", slow=["s", "t"])
    assert (pair.base_model, pair.reference_model, pair.models) == ("q", "s", ("q", "s", "t"))


def header(**entries):
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text + bytes(64)


@pytest.mark.parametrize(
    "entries",
    [
        {name: {"dtype": "F32", "shape": [8], "data_offsets": [at, at + 32]} for name, at in (("a", 0), ("b", 16))},
        {"a": {"dtype": "F32", "shape": [-16], "data_offsets": [0, -64]}},
        {"a": {"dtype": "F32", "shape": "16", "data_offsets": [0, 64]}},
        {"a": {"dtype": ["F32"], "shape": [16], "data_offsets": [0, 64]}},
        {"a": {"dtype": "F32", "shape": [16], "data_offsets": ["0", "64"]}},
        {"a": 5},
    ],
)  # fmt: skip
def test_header_that_makes_no_sense_is_refused(tmp_path, entries):
    (tmp_path / "model.safetensors").write_bytes(header(**entries))
    with pytest.raises(UserError, match=r"model.safetensors"):
        read_headers(tmp_path)


def test_weights_that_are_not_those_of_the_manifest_are_found_although_their_size_is_right(make_model):
    folder = make_model("model", 0)
    write_manifest(describe_model(folder, str(folder)), folder / "manifest.json")
    checkpoint = Checkpoint.from_manifest(folder / "manifest.json")
    assert checkpoint.checked_weights() == folder
    save_model(folder, {name: tensor + 1 for name, tensor in load_tensors(folder).items()})
    with pytest.raises(UserError, match="the weights are not those of the manifest"):
        checkpoint.checked_weights()


def merged_checkpoint(folder):
    """Describe a model folder as a merged checkpoint."""
    manifest = describe_model(folder, "x").model_copy(update={"kind": "merged", "source": None})
    write_manifest(manifest, folder / "manifest.json")
    return Checkpoint.from_manifest(folder / "manifest.json")


def test_missing_weights_are_made_again_by_what_is_registered_for_their_kind(make_model, tmp_path, monkeypatch):
    folder = make_model("model", 0)
    checkpoint, content = merged_checkpoint(folder), (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").unlink()
    made = []

    def rebuild(manifest, into):
        made.append((manifest, into))
        place = into or manifest.parent
        for file in [*folder.glob("*.json"), folder / "model.safetensors"]:
            (place / file.name).write_bytes(file.read_bytes() if file.is_file() else content)

    monkeypatch.setitem(REBUILDERS, "merged", rebuild)
    with checkpoint.lent(tmp_path / "scratch") as lent:
        assert (lent / "model.safetensors").read_bytes() == content
    assert not (folder / "model.safetensors").exists()
    assert checkpoint.weights() == folder
    assert (folder / "model.safetensors").read_bytes() == content
    assert made == [(folder / "manifest.json", lent), (folder / "manifest.json", None)]


def test_nothing_that_makes_files_is_one_clear_line(make_model, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "REBUILDERS", {})
    monkeypatch.setattr(weights, "FETCHERS", {})
    monkeypatch.setattr(weights, "local_folder", lambda source: None)
    folder = make_model("model", 0)
    checkpoint = merged_checkpoint(folder)
    (folder / "model.safetensors").unlink()
    line = r"^files of a merged model are missing, and nothing is registered .*l2s\.steps\.register_steps\(\) first"
    with pytest.raises(UserError, match=line):
        checkpoint.weights()
    with pytest.raises(UserError, match=line), checkpoint.lent(tmp_path):
        pass
    with pytest.raises(UserError, match=r"^files of a hub model are missing"):
        locate(f"a/b@{COMMIT}")


def test_a_model_is_found_by_its_folder_or_its_manifest_wherever_it_lies(make_model, tmp_path):
    folder = make_model("model", 0)
    fetched = tmp_path / "results" / "manifest.json"
    fetched.parent.mkdir()
    write_manifest(describe_model(folder, str(folder)), fetched)
    found = [Checkpoint.find(str(place)) for place in (folder, fetched)]
    assert found[0].manifest == found[1].manifest
    assert {str(place): find_weights(str(place)) for place in (folder, fetched)} == {
        str(folder): folder,
        str(fetched): folder,
    }
    with pytest.raises(UserError, match="absent: no such model"):
        Checkpoint.find(str(tmp_path / "absent"))
    with pytest.raises(UserError, match=r"absent/manifest\.json: no such file"):
        find_weights(str(tmp_path / "absent" / "manifest.json"))


def test_a_parents_source_means_the_same_from_any_folder(make_model, tmp_path, monkeypatch):
    folder = make_model("model", 0)
    monkeypatch.chdir(tmp_path)
    assert lasting_source("model") == str(folder)
    assert lasting_source(f"a/b@{COMMIT}") == f"a/b@{COMMIT}"
    write_manifest(describe_model(folder, "as/fetched"), tmp_path / "manifest.json")
    assert lasting_source("manifest.json") == "as/fetched"
    merged_checkpoint(folder)
    assert lasting_source("model/manifest.json") == str(folder)
