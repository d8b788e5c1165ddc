"""Compare a results folder with its crate."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from l2s.checkpoints.manifest import MANIFEST_NAME, read_manifest
from l2s.checkpoints.tensors import digest_tensors
from l2s.crate.covered import Covered, covered_files, header_digest
from l2s.errors import UserError
from l2s.files import read_json, sha256_file
from l2s.layout import CRATE, CRATE_DIGEST
from l2s.progress import Progress

RUN_AGAIN = "run the workflow again, which writes it anew"


@dataclass
class Findings:
    """What differs between a folder and its crate: paths relative to the results folder, sorted.

    Attributes:
        changed: Files, or the crate itself, with other contents.
        missing: Files that are not there.
        new: Files that the crate does not know.
        deleted_caches: Weights and kept responses that are not there; they can be made again.
    """

    changed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    deleted_caches: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing has changed and nothing is missing."""
        return not (self.changed or self.missing)


def verify(results: Path, weights: bool = True, say: Callable[[str], None] = print) -> Findings:
    """Compare every covered file with the crate, and kept weights with the manifests beside them.

    Args:
        results: The results folder.
        weights: Whether to read weights, which are the most of it.
        say: Where progress goes.

    Raises:
        UserError: There is no crate, or it cannot be read.
    """
    expected = read_files(results / CRATE)
    there = {file.path: file for file in covered_files(results)}
    findings = Findings(new=sorted(there.keys() - expected.keys()))
    if not _crate_is_whole(results):
        findings.changed.append(CRATE)
    for path in sorted(expected.keys() - there.keys()):
        cache = _as_covered(path, expected[path]).is_cache
        (findings.deleted_caches if cache else findings.missing).append(path)
    known = sorted(expected.keys() & there.keys())
    progress = Progress("verify", sum(there[path].bytes for path in known) / 1e6, "MB", say)
    changed_tensors: dict[Path, bool] = {}
    for path in known:
        changed = _changed(results, there[path], expected[path])
        if weights and not changed and "headerSha256" in expected[path]:
            folder = (results / path).parent
            changed = changed_tensors.setdefault(folder, _tensors_changed(folder))
        if changed:
            findings.changed.append(path)
        progress.add(there[path].bytes / 1e6)
    return findings


def read_files(crate: Path) -> dict[str, dict[str, Any]]:
    """Return what a crate says of each file, by path relative to the results folder."""
    graph = read_json(crate, RUN_AGAIN).get("@graph")
    if not isinstance(graph, list):
        raise UserError(f"{crate}: key '@graph' is missing; {RUN_AGAIN}")
    files = [entity for entity in graph if isinstance(entity, dict) and "contentSize" in entity and "@id" in entity]
    return {unquote(entity["@id"]): entity for entity in files}


def _crate_is_whole(results: Path) -> bool:
    try:
        said = (results / CRATE_DIGEST).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return said == f"{sha256_file(results / CRATE)}  {CRATE}\n"


def _as_covered(path: str, entity: dict[str, Any]) -> Covered:
    return Covered(path, int(entity["contentSize"]), "headerSha256" in entity)


def _changed(results: Path, file: Covered, entity: dict[str, Any]) -> bool:
    if str(file.bytes) != entity["contentSize"]:
        return True
    if "headerSha256" in entity:
        return header_digest(results / file.path) != entity["headerSha256"]
    return sha256_file(results / file.path) != entity.get("sha256")


def _tensors_changed(folder: Path) -> bool:
    """Say whether tensors of a folder are not those of its manifest."""
    try:
        return digest_tensors(folder) != read_manifest(folder / MANIFEST_NAME).tensors
    except UserError:
        return True  # a file of the folder is damaged, so that no tensor can be relied on
