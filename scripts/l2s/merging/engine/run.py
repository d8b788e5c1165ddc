"""A merge from recipe to checkpoint: plan, check, stream, describe, and put in place as a whole."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch

from l2s.checkpoints.headers import weight_files
from l2s.checkpoints.manifest import (
    MANIFEST_NAME,
    CalibrationRecord,
    Manifest,
    Parent,
    TensorRecord,
    config_file_records,
    content_id,
    read_manifest,
    weight_records,
    write_manifest,
)
from l2s.checkpoints.model_card import CARD_NAME, model_card
from l2s.checkpoints.safe_write import check_room, clear_disk_errors, put_beside_manifest, unchanged
from l2s.checkpoints.weights import LOCK_NAME
from l2s.contracts.calibrations import Calibration
from l2s.contracts.merge_statistics import STATISTICS_NAME
from l2s.contracts.parquet import write_table
from l2s.errors import UserError
from l2s.files import atomic_folder, pretty_json
from l2s.merging.engine.plan import MergePlan, plan_merge
from l2s.merging.engine.recipe import Recipe
from l2s.merging.engine.stream import StreamingMerge
from l2s.merging.engine.summary import tell_changes
from l2s.progress import clock

SIDECAR_NAME = "merge.json"
# What lies in a merged checkpoint's folder besides the files that its manifest names.
BESIDE_WEIGHTS = (MANIFEST_NAME, SIDECAR_NAME, STATISTICS_NAME, CARD_NAME, LOCK_NAME)
# Python, torch and pyarrow before any tensor is read, measured on x86-64 Linux.
INTERPRETER_BYTES = 330_000_000


class Workers(NamedTuple):
    """What a merge runs on, and whether it leaves weights.

    Attributes:
        threads: How many tensors at a time.
        device: Where they are computed: ``cpu`` or ``cuda``.
        keep: False leaves manifest and config files only; the weights are computed, digested and never written.
    """

    threads: int
    device: str = "cpu"
    keep: bool = True


def merge_checkpoint(
    recipe: Recipe,
    parents: list[tuple[Parent, Path]],
    out: Path,
    workers: Workers,
    expected: Manifest | None = None,
    calibrations: Mapping[str, Calibration] | None = None,
    known: Mapping[Path, Mapping[str, TensorRecord]] | None = None,
) -> Manifest:
    """Merge, and put the finished checkpoint at ``out``: weights, config files, manifest, statistics, card, sidecar.

    Args:
        recipe: The recipe.
        parents: Each parent with its folder: the base first (if the method has one), then the models in order.
        out: Folder of the checkpoint; what was there is replaced once the new one is whole.
        workers: What to run on.
        expected: For a rebuild, the manifest that must come out; then ``out`` keeps its other files, manifest included.
        calibrations: What the method reads, by its names.
        known: By a parent's folder, what is known of its tensors, as ``known_tensors`` returns it.

    Raises:
        UserError: The models cannot be merged, the disk is full, a parent changed meanwhile or is not what is known of
            it, or a rebuild has another content_id than ``expected``.
    """
    started = time.monotonic()
    base = parents[0][1] if parents[0][0].used_as == "base" else None
    calibrations = calibrations or {}
    plan = plan_merge(recipe, base, [folder for parent, folder in parents if parent.used_as == "model"], calibrations)
    for name, policy in plan.policies.items():
        print(f"policy: {name}: {policy}")
    target = out.with_name(f"{out.name}.rebuilt") if expected else out
    sources = [folder for _, folder in parents]
    # The parents are looked at again before the result is put in place.
    with clear_disk_errors(target), atomic_folder(target) as folder, unchanged(sources):
        merge = StreamingMerge(plan, folder, workers.threads, workers.device, keep=workers.keep, known=known)
        _announce(plan, merge, folder)
        tensors = dict(merge.run())
        manifest = _describe(plan, folder, [parent for parent, _ in parents], calibrations, tensors)
        if expected is None:
            statistics = merge.statistics()
            tell_changes(statistics, recipe.method)
            write_table(statistics, folder / STATISTICS_NAME)
            (folder / CARD_NAME).write_text(model_card(manifest), encoding="utf-8")
            write_manifest(manifest, folder / MANIFEST_NAME)
            (folder / SIDECAR_NAME).write_text(pretty_json(_sidecar(workers, time.monotonic() - started)))
            if not workers.keep:
                _remove_weights(folder)
        else:
            put_beside_manifest(folder, out, manifest, expected)
    if expected:
        target.rmdir()
    return manifest


def refuse_to_overwrite(out: Path, parents: list[Path]) -> None:
    """Let a merge replace nothing but an earlier merge, and none that it reads.

    Args:
        out: Folder that the merged checkpoint is to have.
        parents: Folders of the models that are merged.

    Raises:
        UserError: ``out`` is a file, one of the parents, or holds anything that a merge does not write.
    """
    out = out.resolve()
    if out in [folder.resolve() for folder in parents]:
        raise UserError(f"{out}: is one of the models that are merged; choose another folder for --out")
    if out.is_file() or any(parent.is_file() for parent in out.parents):
        raise UserError(f"{out}: is a file or lies below one; choose another folder for --out")
    if out.exists() and any(out.iterdir()):
        manifest = out / MANIFEST_NAME
        if not (manifest.is_file() and read_manifest(manifest).kind == "merged"):
            raise UserError(f"{out}: exists and is not a merged checkpoint; choose another folder for --out")
        foreign = {file.name for file in out.iterdir()} - {*read_manifest(manifest).files, *BESIDE_WEIGHTS}
        if foreign:
            raise UserError(
                f"{out}: also holds {min(foreign)}, which a merge does not write; move it or choose another --out"
            )


def _remove_weights(folder: Path) -> None:
    for file in weight_records(weight_files(folder), digests=False):
        (folder / file).unlink()


def _announce(plan: MergePlan, merge: StreamingMerge, folder: Path) -> None:
    """Say what memory, disk and time to expect, and stop if the disk is too small."""
    output = sum(tensor.nbytes for tensor in plan.outputs.values()) if merge.keep else 0
    check_room(folder, output)
    memory = (INTERPRETER_BYTES + merge.expected_bytes) / 1e6
    print(
        f"expected: {memory:,.0f} MB of memory, {output / 1e9:.2f} GB of disk, about {clock(merge.expected_seconds)}",
        flush=True,
    )


def _describe(
    plan: MergePlan, folder: Path, parents: list[Parent], calibrations: Mapping[str, Calibration], tensors: dict
) -> Manifest:
    plan.write_config_files(folder)
    files = config_file_records(folder) | weight_records(weight_files(folder), digests=False)
    return Manifest(
        kind="merged",
        content_id=content_id(tensors, files),
        recipe=plan.recipe.resolved(),
        parents=tuple(parents),
        calibrations=tuple(
            CalibrationRecord(name=name, path=str(read.path), sha256=read.manifest.sha256)
            for name, read in calibrations.items()
        ),
        policies=dict(plan.policies),
        tensors=tensors,
        files=files,
    )


def _sidecar(workers: Workers, seconds: float) -> dict:
    return {
        **workers._asdict(),
        "seconds": round(seconds, 3),
        "peak_resident_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "torch": torch.__version__,
    }
