"""What results say of themselves: whether each still belongs to what it was made of, without Snakemake's records.

Manifests and the JSON beside responses name the contents, the code and the packages that they came from. Snakemake
compares those of its records (``.snakemake/metadata``) instead, and takes every file without a record for up to date.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from l2s.checkpoints.manifest import MANIFEST_NAME, Manifest, read_manifest
from l2s.decoding.engines.choice import ENGINE_PACKAGES
from l2s.files import read_json
from l2s.provenance import package_versions, reached_digest

REMEDY = "delete it and run the workflow again"


def outdated(results: Path) -> list[str]:
    """Return a sentence for each file of a results folder that was made of something else than lies there now.

    Args:
        results: The results folder.

    Raises:
        UserError: A manifest or a file beside responses is damaged.
    """
    checkpoints = results / "checkpoints"
    manifests = {
        path.parent.relative_to(checkpoints): read_manifest(path) for path in _below(checkpoints, MANIFEST_NAME)
    }
    return [
        *_of_merges(manifests),
        *_of_calibrations(results / "calibrations", {manifest.content_id for manifest in manifests.values()}),
        *_of_responses(results / "responses", {str(name): one.content_id for name, one in manifests.items()}),
    ]


def _of_merges(manifests: dict[Path, Manifest]) -> Iterator[str]:
    fetched = {manifest.source: manifest.content_id for manifest in manifests.values() if manifest.kind == "fetched"}
    for name, manifest in manifests.items():
        for parent in manifest.parents:
            if fetched.get(parent.source, parent.content_id) != parent.content_id:
                yield f"checkpoints/{name}: made of another content of {parent.source} than is there now; {REMEDY}"


def _of_calibrations(folder: Path, contents: set[str]) -> Iterator[str]:
    for path in _below(folder, "*.json"):
        models = read_json(path, REMEDY).get("models", [])
        if contents and not contents.issuperset(models):
            yield f"calibrations/{path.relative_to(folder)}: measured on a model that is not there now; {REMEDY}"


def _of_responses(folder: Path, contents: dict[str, str]) -> Iterator[str]:
    for path in _below(folder, "*.json"):
        said, name = read_json(path, REMEDY), path.relative_to(folder)
        checkpoint = str(name.parent)
        if contents.get(checkpoint, said.get("content_id")) != said.get("content_id"):
            yield f"responses/{name}: decoded with another content of {checkpoint} than is there now; {REMEDY}"
        elif reason := _other_engine(said.get("settings", {})):
            yield f"responses/{name}: decoded {reason}; {REMEDY}"


def _other_engine(settings: dict[str, Any]) -> str | None:
    """Say by what else than now responses were decoded; None if by the same code and packages."""
    engine, was = settings.get("engine"), settings.get("engine_identity", {})
    if engine not in ENGINE_PACKAGES:
        return None
    if was.get("code") != reached_digest(f"l2s.decoding.engines.{engine}_engine"):
        return f"by other code of the engine {engine}"
    for package, version in package_versions(ENGINE_PACKAGES[engine]).items():
        if (before := str(was.get(package)).partition("+")[0]) != version:
            return f"with {package} {before}, which is {version} now"
    return None


def _below(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.rglob(pattern))
