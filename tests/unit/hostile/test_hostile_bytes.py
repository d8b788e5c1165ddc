"""Bytes that changed behind our back: in a parent's weights, in tables, in what is reached by an engine."""

import json
import os
import random
import shutil

import pyarrow as pa
import pytest
from hostile import refused
from safetensors.torch import load_file
from support import DEMO, ROOT

from l2s import provenance
from l2s.checkpoints.headers import read_headers
from l2s.checkpoints.manifest import write_manifest
from l2s.checkpoints.weights import Checkpoint, describe_model, find_weights, recorded_tensors
from l2s.contracts.grades import GRADES
from l2s.contracts.parquet import read_table, table_of, write_table
from l2s.decoding.engines.choice import engine_identity
from l2s.decoding.settings import DecodingEntry
from l2s.merging.engine.parents import find_parents, known_tensors
from l2s.merging.engine.recipe import parse_recipe
from l2s.merging.engine.run import Workers, merge_checkpoint
from l2s.merging.engine.task_spectra import measure_spectra
from l2s.provenance import package_versions

TENSORS = sorted(load_file(DEMO / "slow" / "model.safetensors"))
# One that is read in one pass, one that counts first, one that takes whole matrices.
METHODS = [{"method": "task_arithmetic", "scale": 0.7}, {"method": "ties"}, {"method": "twin", "weight": 1.0}]


@pytest.fixture
def pair(tmp_path):
    """The manifests of copies of the demo's models, as fetching leaves them."""
    for name in ("quick", "slow"):
        folder = shutil.copytree(DEMO / name, tmp_path / name, copy_function=shutil.copyfile)
        write_manifest(describe_model(folder, str(folder)), tmp_path / f"fetched-{name}" / "manifest.json")
    return [tmp_path / f"fetched-{name}" / "manifest.json" for name in ("quick", "slow")]


def flip(folder, tensor, seed=0):
    """Flip one bit of a tensor; the file keeps its time."""
    place = read_headers(folder)[tensor]
    drawn = random.Random(f"{tensor} {seed}")
    stamp, data = place.file.stat(), bytearray(place.file.read_bytes())
    data[place.start + drawn.randrange(place.nbytes)] ^= 1 << drawn.randrange(4)
    place.file.write_bytes(data)
    os.utime(place.file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))


def merge(recipe, pair, out, threads=2):
    """Merge as the rule does."""
    sources = [str(path.parent.with_name(path.parent.name.removeprefix("fetched-"))) for path in pair]
    parsed = parse_recipe({**recipe, "base": sources[0], "models": sources[1:]}, "test")
    parents = find_parents(parsed, pair)
    return merge_checkpoint(parsed, parents, out, Workers(threads), known=known_tensors(parents, pair))


@pytest.mark.parametrize("tensor", TENSORS)
def test_one_flipped_bit_in_a_parent_stops_the_merge_and_names_the_tensor(pair, tmp_path, tensor):
    side = ("quick", "slow")[TENSORS.index(tensor) % 2]
    flip(tmp_path / side, tensor)
    with refused(rf"{side}: tensor '{tensor}' is not the one that the model's manifest describes", tmp_path):
        merge(METHODS[TENSORS.index(tensor) % 2], pair, tmp_path / "results" / "out")


def test_one_flipped_bit_stops_a_merge_of_whole_matrices(pair, tmp_path):
    flip(tmp_path / "slow", "lm_head.weight")
    with refused("slow: tensor 'lm_head.weight' is not the one that the model's manifest describes", tmp_path):
        merge(METHODS[2], pair, tmp_path / "results" / "out")


@pytest.mark.parametrize("recipe", METHODS, ids=lambda recipe: recipe["method"])
def test_unchanged_parents_are_merged_and_all_of_their_tensors_were_compared(pair, tmp_path, recipe, monkeypatch):
    readers = []
    monkeypatch.setattr("l2s.checkpoints.verified.VerifyingReader.__exit__", lambda reader, *_: readers.append(reader))
    assert merge(recipe, pair, tmp_path / "out").tensors.keys() == set(TENSORS)
    assert [reader.verified for reader in readers if hasattr(reader, "verified")] == [set(TENSORS)] * 2


def test_a_parent_with_another_tensor_than_its_manifest_is_refused(pair, tmp_path):
    values = json.loads(pair[1].read_text())
    del values["tensors"]["model.norm.weight"]
    pair[1].write_text(json.dumps(values))
    with refused("tensor 'model.norm.weight' is not the one that the model's manifest describes", tmp_path):
        merge(METHODS[0], pair, tmp_path / "out")


@pytest.mark.parametrize("tensor", [name for name in TENSORS if "layers.1" in name and "proj.weight" in name])
def test_one_flipped_bit_stops_the_measuring_of_spectra(pair, tmp_path, tensor):
    flip(tmp_path / "slow", tensor)
    folders = {str(path): find_weights(str(path)) for path in pair}
    known = {folder: recorded_tensors(given, folder) for given, folder in folders.items()}
    with refused(rf"tensor '{tensor}' is not the one", tmp_path):
        measure_spectra(*folders.values(), threads=1, known=known)


@pytest.mark.parametrize("tensor", TENSORS[::4])
def test_one_flipped_bit_stops_decoding_and_calibrating(pair, tmp_path, tensor):
    flip(tmp_path / "slow", tensor)
    with refused("the weights are not those of the manifest; make the checkpoint again", tmp_path):
        Checkpoint.find(str(pair[1])).checked_weights()


# ---- tables


def grades(count):
    """Return made-up grades."""
    row = {"benchmark": "b", "sample": 0, "read_at": None, "budget": None, "answer_end": 9, "gold_parsed": None}
    return [
        {
            **row,
            "question_id": str(number),
            "outcome": "correct" if number % 3 else "wrong",
            "answer": str(number),
            "answer_start": number,
            "gold": str(number * 7),
        }
        for number in range(count)
    ]


@pytest.mark.parametrize("part", range(20))
def test_a_flipped_bit_of_a_table_is_an_error_or_changes_nothing(tmp_path, part):
    rows = grades(120)
    write_table(table_of(rows, GRADES), tmp_path / "grades.parquet")
    data = (tmp_path / "grades.parquet").read_bytes()
    for place in range(part, len(data), 20 * 7):
        damaged = bytearray(data)
        damaged[place] ^= 1 << random.Random(place).randrange(8)
        (tmp_path / "damaged.parquet").write_bytes(damaged)
        try:
            read = read_table(tmp_path / "damaged.parquet", GRADES)
        except Exception:
            with refused("damaged.parquet: (not a readable Parquet file|columns )"):
                read_table(tmp_path / "damaged.parquet", GRADES)
        else:
            assert read.to_pylist() == rows, f"byte {place}"


@pytest.mark.parametrize("share", range(10))
def test_a_table_cut_off_anywhere_is_an_error(tmp_path, share):
    write_table(table_of(grades(50), GRADES), tmp_path / "grades.parquet")
    data = (tmp_path / "grades.parquet").read_bytes()
    (tmp_path / "grades.parquet").write_bytes(data[: len(data) * share // 10])
    with refused("grades.parquet: not a readable Parquet file", tmp_path):
        read_table(tmp_path / "grades.parquet", GRADES)


def test_a_table_of_another_kind_is_an_error(tmp_path):
    other = pa.schema([("benchmark", pa.string())])
    write_table(pa.table({"benchmark": ["b"]}, other), tmp_path / "grades.parquet")
    with refused("grades.parquet: columns .* are missing, unexpected or of another type", tmp_path):
        read_table(tmp_path / "grades.parquet", GRADES)


# ---- code and packages


REACHED = ["engines/interface", "stopping"]


@pytest.mark.parametrize("module", REACHED)
def test_an_edit_of_what_an_engine_reaches_gives_its_responses_another_store(tmp_path, monkeypatch, module):
    chosen = DecodingEntry(prompt="demo", max_new_tokens=9, engine="transformers", device="cpu", dtype="float32")
    shutil.copytree(ROOT / "scripts" / "l2s", tmp_path / "l2s")
    before = engine_identity(chosen)
    monkeypatch.setattr(provenance, "SCRIPTS", tmp_path)
    assert engine_identity(chosen) == before
    file = tmp_path / "l2s" / "decoding" / f"{module}.py"
    file.write_text(file.read_text() + "\nEDITED = 1\n")
    provenance._token_digest.cache_clear()
    assert engine_identity(chosen) != before


def test_versions_are_those_that_are_installed_and_else_those_of_the_lock(monkeypatch):
    installed = package_versions(["torch", "sympy", "vllm", "no-such-package"])
    assert installed["torch"] == provenance.version("torch").partition("+")[0]
    assert installed["no-such-package"] == "unknown"
    monkeypatch.setattr(provenance, "_installed_version", lambda _: None)
    locked = package_versions(["torch", "vllm"])
    assert {name: f"{name}=={version}" for name, version in locked.items()}.items() <= {
        line.split("==")[0]: line for line in (ROOT / "envs" / "cuda.txt").read_text().splitlines()
    }.items()
