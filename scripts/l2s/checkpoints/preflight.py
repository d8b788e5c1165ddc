"""Comparing models before they are merged, from headers, small files and samples: seconds, whatever their size.

Each topic gives one value a model. Where values differ there is a policy, what the merge does about it, or the
difference is fatal. The first model is the base (or the first to be averaged), the last the slow one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from l2s.checkpoints.headers import TensorPlace, read_headers
from l2s.checkpoints.manifest import GET_AGAIN
from l2s.checkpoints.tensor_names import EMBEDDING, HEAD
from l2s.errors import UserError
from l2s.files import canonical_json, read_json

SAMPLE_BYTES = 1 << 16
SAMPLED_TENSORS = 5
# Fine-tuning leaves nearly all of the weights' direction (0.99 and more); unrelated models have a cosine near 0.
RELATED_COSINE = 0.9
SHORT = 12

POLICIES = {
    "vocabulary rows": "those that all have; refused if the side that the recipe's 'tokenizer' names needs more",
    "dtypes": "computed in one dtype (float32 unless fidelity is released), written in the recipe's",
    "tied embeddings": "untied: the embedding stands in for a missing lm_head, and the result has one of its own",
    "context_length": "the slow model's (a shorter one would cut the merged model's responses); decoding may set less",
    "rope": "the slow model's",
    "tokenizer entries": "those of the side that the recipe's 'tokenizer' names",
    "special tokens": "those of the side that the recipe's 'tokenizer' names; the other side's meanings are lost",
    "chat template": "that of the side that the recipe's 'tokenizer' names",
    "end-of-sequence ids": "those of the side that the recipe's 'tokenizer' names",
    "generation config": "that of the side that the recipe's 'tokenizer' names",
    "related to the first": "merged all the same; task vectors of unrelated models rarely make sense",
}


class Finding(NamedTuple):
    """A topic: a value for each model, and what is done if they differ (None: fatal; empty: they are the same)."""

    topic: str
    values: tuple[str, ...]
    policy: str | None

    @property
    def differs(self) -> bool:
        """Whether anything has to be said about it."""
        return self.policy != ""


class Distance(NamedTuple):
    """How far a model is from the first: the cosine of the weights, and the length of their difference over theirs."""

    cosine: float
    shift: float

    @property
    def text(self) -> str:
        """The two in words."""
        return f"shifted by {self.shift:.2%}, cosine {self.cosine:.3f}"


def verdict(findings: Sequence[Finding]) -> str:
    """Say in a sentence what a comparison comes to."""
    fatal = [finding.topic for finding in findings if finding.policy is None]
    if fatal:
        return f"these models cannot be merged: they differ in {', '.join(fatal)}"
    settled = [finding.topic for finding in findings if finding.differs]
    how = f"; {', '.join(settled)}: as the last column says" if settled else " and differ in their weights alone"
    return f"these models can be merged{how}"


def compare(folders: Sequence[Path]) -> list[Finding]:
    """Compare model folders, topic by topic.

    Raises:
        UserError: A model's files are missing or damaged.
    """
    headers = [read_headers(folder) for folder in folders]
    models = [_facts(folder, places) for folder, places in zip(folders, headers, strict=True)]
    findings = [_finding(topic, tuple(model[topic] for model in models)) for topic in models[0]]
    distances = [_distance(headers[0], places) for places in headers]
    related = all(distance is None or distance.cosine >= RELATED_COSINE for distance in distances)
    shown = tuple("no like tensors" if distance is None else distance.text for distance in distances)
    findings.append(Finding("related to the first", shown, "" if related else POLICIES["related to the first"]))
    return findings


def _finding(topic: str, values: tuple[str, ...]) -> Finding:
    return Finding(topic, values, "" if len(set(values)) == 1 else POLICIES.get(topic))


def _facts(folder: Path, places: Mapping[str, TensorPlace]) -> dict[str, str]:
    config = read_json(folder / "config.json", GET_AGAIN)
    generation = _optional_json(folder / "generation_config.json")
    entries, added = tokenizer_entries(folder)
    # Of embeddings the rows are compared below.
    own = {name: place.shape[name == EMBEDDING :] for name, place in places.items() if name != HEAD}
    return {
        "architecture": str(config.get("model_type")),
        "heads": f"{config.get('num_attention_heads')}/{config.get('num_key_value_heads')}",
        "tensors besides lm_head": f"{len(own)}, {_digest(own)}",
        "vocabulary rows": str(places[EMBEDDING].shape[0]) if EMBEDDING in places else "none",
        "dtypes": ", ".join(sorted({place.dtype for place in places.values()})),
        "tied embeddings": "no" if HEAD in places else "yes",
        "context_length": str(config.get("max_position_embeddings")),
        "rope": _digest([config.get(key) for key in ("rope_theta", "rope_scaling", "rope_parameters")]),
        "tokenizer entries": f"{len(entries)}, {_digest(entries)}" if entries else "no tokenizer.json",
        "special tokens": f"{len(added)}, {_digest(added)}",
        "chat template": _chat_template(folder),
        "end-of-sequence ids": f"{config.get('eos_token_id')} / {generation.get('eos_token_id')}",
        "generation config": _digest({k: v for k, v in generation.items() if k != "transformers_version"}),
    }


def tokenizer_entries(folder: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Return the token ids of a model's tokenizer.json, and those among them that are added; empty without one."""
    tokenizer = _optional_json(folder / "tokenizer.json")
    try:
        added = {token["content"]: token["id"] for token in tokenizer.get("added_tokens", [])}
        return {**_vocabulary(tokenizer), **added}, added
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UserError(f"{folder / 'tokenizer.json'}: not a tokenizer's; {GET_AGAIN}") from None


def _vocabulary(tokenizer: Mapping[str, Any]) -> dict[str, int]:
    """Return the token ids of a tokenizer.json; unigram models list their tokens in the order of their ids."""
    entries = tokenizer.get("model", {}).get("vocab", {})
    return entries if isinstance(entries, dict) else {token: number for number, (token, _) in enumerate(entries)}


def _chat_template(folder: Path) -> str:
    file = folder / "chat_template.jinja"
    if file.is_file():
        text = file.read_text(encoding="utf-8", errors="replace")  # whoever loads a damaged one says so
    else:
        text = _optional_json(folder / "tokenizer_config.json").get("chat_template")
    return _digest(text) if text else "none"


def _optional_json(path: Path) -> dict[str, Any]:
    return read_json(path, GET_AGAIN) if path.is_file() else {}


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:SHORT]


def _distance(base: Mapping[str, TensorPlace], other: Mapping[str, TensorPlace]) -> Distance | None:
    """Return the medians over samples of a few matrices of the decoder layers, None if none has the same shape."""
    shared = [
        name
        for name, place in base.items()
        if len(place.shape) > 1 and ".layers." in name and name in other and other[name].shape == place.shape
    ]
    step = max(1, len(shared) // SAMPLED_TENSORS)
    found = []
    for name in shared[::step][:SAMPLED_TENSORS]:
        a, b = _sample(base[name]), _sample(other[name])
        norms = float(np.linalg.norm(a) * np.linalg.norm(b))
        shift = float(np.linalg.norm(b - a)) / (float(np.linalg.norm(a)) or 1.0)
        found.append((float(a @ b) / norms if norms else 0.0, shift))  # zeros are like nothing
    return Distance(*(float(value) for value in np.median(found, axis=0))) if found else None


def _sample(place: TensorPlace) -> np.ndarray:
    """Return the first elements of a tensor as float64, as many as 64 KiB of bfloat16 hold."""
    item = place.nbytes // place.elements
    with place.file.open("rb") as stream:
        stream.seek(place.start)
        data = stream.read(min(place.elements, SAMPLE_BYTES // 2) * item)
    if place.dtype == "BF16":
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").astype(float)
    return np.frombuffer(data, "<f2" if place.dtype == "F16" else "<f4").astype(float)
