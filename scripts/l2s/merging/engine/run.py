"""A merge from recipe to checkpoint: plan, stream, describe, and put in place as a whole."""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path

from l2s.checkpoints.manifest import (
    MANIFEST_NAME,
    Manifest,
    Parent,
    companion_records,
    content_id,
    weight_records,
    write_manifest,
)
from l2s.errors import UserError
from l2s.files import atomic_folder, sync
from l2s.merging.engine.plan import MergePlan, plan_merge
from l2s.merging.engine.recipe import Recipe
from l2s.merging.engine.stream import StreamingMerge

SIDECAR_NAME = "merge.json"


def merge_checkpoint(
    recipe: Recipe, parents: list[tuple[Parent, Path]], out: Path, threads: int, expected: Manifest | None = None
) -> Manifest:
    """Merge, and put the finished checkpoint at ``out``: weights, companions, manifest, sidecar.

    Args:
        recipe: The recipe.
        parents: Each parent with its folder: the base first (if the method has one), then the models in order.
        out: Folder of the checkpoint; what was there is replaced once the new one is whole.
        threads: Tensors worked on at the same time.
        expected: For a rebuild, the manifest that must come out; then ``out`` keeps its other files, manifest included.

    Raises:
        UserError: The models cannot be merged, or a rebuild has another content_id than ``expected``.
    """
    started = time.monotonic()
    base = parents[0][1] if parents[0][0].role == "base" else None
    plan = plan_merge(recipe, base, [folder for parent, folder in parents if parent.role == "model"])
    for name, policy in plan.policies.items():
        print(f"policy: {name}: {policy}")
    with atomic_folder(out.with_name(f"{out.name}.rebuilt") if expected else out) as folder:
        tensors = StreamingMerge(plan, folder, threads).run()
        manifest = _describe(plan, folder, [parent for parent, _ in parents], dict(tensors))
        if expected is None:
            write_manifest(manifest, folder / MANIFEST_NAME)
            _write_sidecar(folder, threads, time.monotonic() - started)
        elif manifest.content_id != expected.content_id:
            raise UserError(
                f"{out}: the rebuilt weights have content_id {manifest.content_id}, the manifest says "
                f"{expected.content_id}; a parent or the code has changed: delete {out} and run the workflow again"
            )
        else:
            _put_beside_manifest(folder, out)
    if expected:
        out.with_name(f"{out.name}.rebuilt").rmdir()
    return manifest


def _describe(plan: MergePlan, folder: Path, parents: list[Parent], tensors: dict) -> Manifest:
    plan.write_companions(folder)
    weights = sorted(folder.glob("*.safetensors"))
    files = companion_records(folder) | weight_records(weights, digests=False)
    return Manifest(
        kind="merged",
        content_id=content_id(tensors, files),
        recipe=plan.recipe.resolved(),
        parents=tuple(parents),
        policies=dict(plan.policies),
        tensors=tensors,
        files=files,
    )


def _put_beside_manifest(folder: Path, out: Path) -> None:
    for file in folder.iterdir():
        sync(file)
        file.replace(out / file.name)


def _write_sidecar(folder: Path, threads: int, seconds: float) -> None:
    import torch

    record = {
        "seconds": round(seconds, 3),
        "peak_resident_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "threads": threads,
        "torch": torch.__version__,
    }
    (folder / SIDECAR_NAME).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
