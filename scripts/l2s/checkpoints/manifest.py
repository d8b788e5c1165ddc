"""A checkpoint is its manifest; weights are a cache.

``manifest.json`` says what a checkpoint is: where it came from, the digest of every tensor, and the ``content_id`` that
stands for all of it. Equal contents have equal manifests, so timings and memory go to a sidecar.
"""

import json
from math import prod
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from l2s.checkpoints.headers import INDEX_NAME
from l2s.config import StrictModel, validate
from l2s.errors import UserError
from l2s.files import canonical_json, digest_of, read_json, sha256_file, write_text

MANIFEST_NAME = "manifest.json"
TOKENIZER_NAMES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
)
# What a model is besides its tensors: architecture, generation defaults, tokenizer.
CONFIG_FILES = ("config.json", "generation_config.json", *TOKENIZER_NAMES)
GET_AGAIN = "fetch the model again, or, if it was made here, make it again"
"""What to do about a damaged file of a model."""


class TensorRecord(StrictModel):
    """One tensor: safetensors dtype name, shape, and the sha256 of its bytes (row-major, little-endian)."""

    dtype: str
    shape: tuple[int, ...]
    sha256: str


class FileRecord(StrictModel):
    """One file: its size, and its sha256 where the file as such is pinned (null for shards of weights made here)."""

    bytes: int
    sha256: str | None = None


class Parent(StrictModel):
    """A model that a merged or trained checkpoint, or one from an adapter, was made of."""

    used_as: Literal["base", "model"]
    source: str = Field(description="repo@revision, or a local directory")
    content_id: str | None = Field(None, description="known where the parent has a manifest of its own")
    licence: str | None = Field(None, description="SPDX identifier, if known")


class CalibrationRecord(StrictModel):
    """A calibration that a merge read: the method's name for it, its manifest's path, and the digest of its data."""

    name: str
    path: str
    sha256: str


class Manifest(StrictModel):
    """What a checkpoint is."""

    format: Literal[1] = 1
    kind: Literal["fetched", "merged", "trained"]
    content_id: str
    source: str | None = Field(None, description="for a fetched model: repo@revision, or a local directory")
    licence: str | None = Field(None, description="SPDX identifier of a fetched model's licence, if known")
    recipe: dict[str, Any] | None = Field(
        None,
        description="for a merged or trained model: the resolved recipe; for a fetched one that was converted: its "
        "GGUF file with how many tensors had which quantisation, or its adapter",
    )
    parents: tuple[Parent, ...] = ()
    calibrations: tuple[CalibrationRecord, ...] = ()
    policies: dict[str, str] = Field({}, description="what was done about each difference between the parents")
    tensors: dict[str, TensorRecord]
    files: dict[str, FileRecord]
    adapter: dict[str, FileRecord] = Field(
        {}, description="for a trained model: the files beside the manifest that its weights are made again from"
    )

    @property
    def elements(self) -> int:
        """How many numbers the weights are."""
        return sum(prod(record.shape) for record in self.tensors.values())


def content_id(tensors: dict[str, TensorRecord], files: dict[str, FileRecord]) -> str:
    """Return the sha256 over all tensor digests and config files: how a checkpoint is sharded does not matter."""
    config_files = {name: files[name].sha256 for name in CONFIG_FILES if name in files}
    return digest_of(
        {"tensors": {name: record.model_dump() for name, record in tensors.items()}, "files": config_files}
    )


def config_file_records(folder: Path) -> dict[str, FileRecord]:
    """Return the records of a model folder's config files.

    Raises:
        UserError: ``config.json`` is missing, or a JSON file among them is not valid.
    """
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder / 'config.json'}: no such file; a model folder needs one")
    records = {}
    for name in CONFIG_FILES:
        path = folder / name
        if path.is_file():
            if path.suffix == ".json":
                read_json(path, GET_AGAIN)
            records[name] = FileRecord(bytes=path.stat().st_size, sha256=sha256_file(path))
    return records


def weight_records(files: list[Path], digests: bool) -> dict[str, FileRecord]:
    """Return the records of safetensors files and of the index beside them, with their digests if wanted."""
    index = files[0].parent / INDEX_NAME
    every = [*files, index] if index.is_file() else files
    return {
        path.name: FileRecord(bytes=path.stat().st_size, sha256=sha256_file(path) if digests else None)
        for path in every
    }


def read_manifest(path: Path, kind: str | None = None) -> Manifest:
    """Read a ``manifest.json``.

    Args:
        path: The file.
        kind: What it must describe: ``fetched``, ``merged`` or ``trained``; None: any.

    Raises:
        UserError: It is missing, is no manifest, or describes something else.
    """
    manifest = validate(Manifest, read_json(path, GET_AGAIN), str(path))
    if kind not in (None, manifest.kind):
        raise UserError(f"{path}: describes a {manifest.kind} checkpoint; give the manifest of a {kind} one")
    return manifest


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write a manifest atomically, one line for each tensor and file."""
    write_text(path, manifest_text(manifest))


def manifest_text(manifest: Manifest) -> str:
    """Return what is written of a manifest."""
    values = manifest.model_dump(mode="json")
    lines = [f"{json.dumps(key)}: {_one_line_each(values[key])}" for key in sorted(values)]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _one_line_each(value: Any) -> str:
    if not isinstance(value, dict):
        return canonical_json(value)
    return "{\n" + ",\n".join(f"  {json.dumps(key)}: {canonical_json(value[key])}" for key in value) + "\n}"
