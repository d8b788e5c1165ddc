"""A decode job takes its GPUs last: nothing else that takes time is done while it holds them."""

import hashlib
import shutil
from pathlib import Path

import pytest
from merges import merge
from support import DEMO

from l2s.checkpoints import weights
from l2s.checkpoints.manifest import read_manifest
from l2s.checkpoints.tensors import TensorReader, digest_tensors
from l2s.checkpoints.weights import Checkpoint
from l2s.contracts.parquet import table_of
from l2s.contracts.questions import QUESTIONS
from l2s.decoding.engines import choice
from l2s.decoding.run import WINDOW_STEP, decode, prepare
from l2s.decoding.settings import DecodingEntry, PromptEntry
from l2s.steps import register_steps


@pytest.fixture
def merged(tmp_path):
    """The manifest of a merge of the demo pair."""
    merge({"method": "average", "dtype": "float32"}, DEMO / "quick", [DEMO / "slow"], tmp_path / "merged")
    return tmp_path / "merged" / "manifest.json"


class Started(Exception):
    """An engine was to be started."""


@pytest.mark.parametrize("kept", [True, False], ids=["kept weights", "weights made for the job"])
def test_weights_are_made_and_digested_before_a_gpu_is_leased(merged, tmp_path, monkeypatch, kept):
    register_steps()
    happened = []

    def seen(name, work):
        def call(*arguments, **named):
            happened.append(name)
            return work(*arguments, **named)

        return call

    def start(folder, settings, stops):
        assert settings.context_length == WINDOW_STEP  # of the prompt's tokens and 16, rounded up
        raise Started

    monkeypatch.setattr(weights, "digest_tensors", seen("digested", digest_tensors))
    monkeypatch.setitem(weights.REBUILDERS, "merged", seen("made", weights.REBUILDERS["merged"]))
    monkeypatch.setattr(choice, "lease", seen("leased", lambda *_: None))
    monkeypatch.setattr("l2s.decoding.engines.transformers_engine.start", start)
    if not kept:
        (merged.parent / "model.safetensors").unlink()
    asked = {"benchmark": "chains", "question_id": "1", "question": "From left to right, modulo 10: 1+1", "gold": "2"}
    values = {"prompt": "demo", "max_new_tokens": 16, "engine": "transformers", "device": "cuda", "dtype": "float32"}
    with pytest.raises(Started):
        task = prepare(
            Checkpoint.from_manifest(merged),
            [table_of([{name: asked.get(name) for name in QUESTIONS.names}], QUESTIONS)],
            {},
            DecodingEntry(**values),
            PromptEntry(template="{question}"),
            tmp_path / "store",
        )
        decode(task, tmp_path / "responses.parquet", scratch=tmp_path / "scratch")
    assert happened == ["digested" if kept else "made", "leased"]


def test_digests_are_those_of_each_tensor_in_the_files_order(merged, tmp_path):
    folder = Path(shutil.copytree(merged.parent, tmp_path / "copy"))
    records = digest_tensors(folder)
    assert records == read_manifest(merged).tensors
    with TensorReader(folder) as reader:
        assert list(records) == list(reader.places)
        for name, place in reader.places.items():
            data = bytearray(place.nbytes)
            reader.read(place, 0, memoryview(data))
            assert records[name].sha256 == hashlib.sha256(data).hexdigest()
