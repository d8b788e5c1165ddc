"""Which files of a results folder its crate covers, and which of them are caches.

Covered is everything except logs, timings, scratch, hidden files and the crate itself. Caches may be deleted at any
time, as jobs make them again: weights whose manifest is kept, and the response store.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from l2s.checkpoints.headers import INDEX_NAME
from l2s.checkpoints.manifest import MANIFEST_NAME, read_manifest
from l2s.errors import UserError
from l2s.files import canonical_json, sha256_file, write_text
from l2s.layout import CRATE, CRATE_DIGEST
from l2s.progress import Progress

NOT_COVERED = ("logs", "timings", "scratch", CRATE, CRATE_DIGEST)
STORE = "store"
DIGESTS = ".digests.json"
LENGTH_BYTES = 8  # of the length of a safetensors file's header, before the header


@dataclass(frozen=True)
class Covered:
    """One covered file.

    Attributes:
        path: Relative to the results folder.
        bytes: Its size.
        weights: Whether it is weights, which the digests of the manifest beside it stand for.
    """

    path: str
    bytes: int
    weights: bool

    @property
    def is_cache(self) -> bool:
        """Whether it may be deleted: it can be made again."""
        return self.weights or self.path.endswith(f"/{INDEX_NAME}") or self.path.split("/")[0] == STORE


def covered_files(results: Path) -> list[Covered]:
    """Return all covered files of a results folder, sorted by path."""
    paths = sorted(path.relative_to(results) for path in _files(results))
    weights = {name for path in paths if path.name == MANIFEST_NAME for name in _weights(results, path)}
    return [Covered(str(path), (results / path).stat().st_size, path in weights) for path in paths]


def _files(results: Path) -> Iterator[Path]:
    for top in sorted(results.iterdir()) if results.is_dir() else ():
        if top.name in NOT_COVERED or top.name.startswith("."):
            continue
        for path in [top, *top.rglob("*")]:
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(results).parts):
                yield path


def _weights(results: Path, manifest: Path) -> list[Path]:
    """Return the weights beside a manifest: the files that it lists without a digest of their own."""
    try:
        files = read_manifest(results / manifest).files
    except UserError:
        return []  # damaged: its own digest shows that
    return [
        manifest.with_name(name)
        for name, record in files.items()
        if name.endswith(".safetensors") and not record.sha256
    ]


def header_digest(path: Path) -> str:
    """Return the sha256 of a safetensors file's header and its length, which come before the tensors."""
    with path.open("rb") as stream:
        length = stream.read(LENGTH_BYTES)
        header = stream.read(min(int.from_bytes(length, "little"), path.stat().st_size))
    return hashlib.sha256(length + header).hexdigest()


def digest(results: Path, file: Covered) -> str:
    """Return the sha256 of a covered file, of weights that of their header."""
    return (header_digest if file.weights else sha256_file)(results / file.path)


def digests(results: Path, files: list[Covered], say: Callable[[str], None] = print) -> dict[str, str]:
    """Return the digest of each file, reading only those whose size or time has changed since the last call.

    Kept in a hidden file of the results folder.
    """
    cache = results / DIGESTS
    known = json.loads(cache.read_text(encoding="utf-8")) if cache.is_file() else {}
    found: dict[str, list[str | int]] = {}
    progress = Progress("digests", len(files), "files", say)
    for file in files:
        stamp = [file.bytes, (results / file.path).stat().st_mtime_ns]
        old = known.get(file.path, [])
        found[file.path] = [*stamp, old[2] if old[:2] == stamp else digest(results, file)]
        progress.add(1)
    write_text(cache, canonical_json(found))
    return {path: str(values[2]) for path, values in found.items()}
