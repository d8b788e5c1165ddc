"""List, or delete, what no configured study uses any more: the prune rule's script.

    snakemake prune                           lists it
    snakemake prune --config prune=delete     deletes it

Looked at are checkpoints, calibrations, responses with their grades, the response store, and what killed jobs left, in
one results folder. Snakemake runs one command at a time in a folder, so that no job is at work meanwhile.
Downloaded weights lie in the hub's cache and are not touched.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from l2s.checkpoints.manifest import MANIFEST_NAME, MODELS, read_manifest
from l2s.decoding.store import ID_DIGITS
from l2s.jobs import run_cli

Names = set[str]
TRAININGS = "training"  # adapters and the progress of trainings lie beside the response stores


def main(
    results: Annotated[Path, typer.Option(help="Results folder.")],
    checkpoint: Annotated[list[str], typer.Option(help="Checkpoint in use; may be repeated.")],
    calibration: Annotated[list[str] | None, typer.Option(help="Calibration in use, without suffix.")] = None,
    responses: Annotated[list[str] | None, typer.Option(help="Responses in use: checkpoint/decode settings.")] = None,
    delete: Annotated[bool, typer.Option(help="Delete instead of listing.")] = False,
) -> None:
    """List what is in the results folder and not in use, with its size."""
    prune(results, set(checkpoint), set(calibration or []), set(responses or []), delete)


def prune(results: Path, checkpoints: Names, calibrations: Names, responses: Names, delete: bool) -> None:
    """List or delete what is not in use.

    Args:
        results: The results folder.
        checkpoints: Names of the checkpoints in use: their folders under ``checkpoints/``.
        calibrations: The calibrations in use: their manifests under ``calibration/``, without suffix.
        responses: The responses in use: checkpoint/decode settings.
        delete: Whether to delete.
    """
    unused = [
        *unused_store(results, checkpoints),
        *unused_checkpoints(results / "checkpoints", checkpoints),
        *sorted((results / "scratch").glob("*")),
        *unused_files(results / "calibration", calibrations, (".json", ".parquet", ".safetensors")),
        *unused_files(results / "responses", responses, (".parquet", ".json")),
        *unused_grades(results / "grades", responses),
    ]
    total = 0
    for path in unused:
        size = size_of(path)
        total += size
        print(f"{size / 1e6:12,.1f} MB  {path}")
        if delete:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            remove_empty_parents(path, results)
    done = "deleted" if delete else "not used by any configured study"
    hint = "" if delete or not unused else "; the same command with --config prune=delete deletes them"
    print(f"{total / 1e6:12,.1f} MB  {done}: {len(unused)} items{hint}")


def unused_checkpoints(folder: Path, used: Names) -> Iterator[Path]:
    """Yield the folders of checkpoints that are not in use, with or without a manifest, and half-written ones."""
    for path in sorted({*folder.glob(f"{MODELS}/*"), *folder.glob("*/*/*")}):
        name = path.relative_to(folder)
        depth = 2 if name.parts[0] == MODELS else 3
        if path.is_dir() and len(name.parts) == depth and str(name) not in used:
            yield path


def unused_files(folder: Path, used: Names, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Yield files of these kinds whose path without suffix is not in use; data sets are cheap and stay."""
    for file in sorted(folder.rglob("*")):
        name = str(file.relative_to(folder))
        kept = name.startswith("data/") or name.removesuffix(file.suffix) in used
        if file.suffix in suffixes and not kept:
            yield file


def unused_grades(folder: Path, used: Names) -> Iterator[Path]:
    """Yield folders of grades of responses that are not in use."""
    for parent in sorted({file.parent for file in folder.rglob("*.parquet")}):
        if str(parent.relative_to(folder)) not in used:
            yield parent


def unused_store(results: Path, checkpoints: Names) -> Iterator[Path]:
    """Yield the response stores of contents that no checkpoint in use has; what trainings keep is dear and stays."""
    manifests = [results / "checkpoints" / name / MANIFEST_NAME for name in checkpoints]
    used = {read_manifest(path).content_id[:ID_DIGITS] for path in manifests if path.is_file()}
    for folder in sorted((results / "store").glob("*")):
        if folder.is_dir() and folder.name not in {*used, TRAININGS}:
            yield folder


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    return sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())


def remove_empty_parents(path: Path, root: Path) -> None:
    """Remove the folders above ``path`` that have become empty, up to ``root``."""
    for parent in path.parents:
        if parent == root or any(parent.iterdir()):
            return
        parent.rmdir()


if "snakemake" in globals():
    # Not run_job: what it says is meant for the terminal.
    sys.stdout.reconfigure(line_buffering=True)
    prune(
        Path(snakemake.params.results),
        set(snakemake.params.checkpoints),
        set(snakemake.params.calibrations),
        set(snakemake.params.responses),
        snakemake.params.delete,
    )
elif __name__ == "__main__":
    run_cli(main)
