"""A training from recipe to checkpoint: train or resume, merge the adapter, describe, and put in place as a whole.

What was trained stays in a store, by everything that decides it: a training that is killed goes on where it was, and a
checkpoint that is made again for another reason takes its adapter from there, as no response is decoded twice.
"""

from __future__ import annotations

import resource
import shutil
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from l2s.checkpoints.headers import read_headers, weight_files
from l2s.checkpoints.lora import ADAPTER_CONFIG, ADAPTER_WEIGHTS, merge_adapter
from l2s.checkpoints.manifest import (
    CONFIG_FILES,
    MANIFEST_NAME,
    FileRecord,
    Manifest,
    Parent,
    config_file_records,
    content_id,
    weight_records,
    write_manifest,
)
from l2s.checkpoints.model_card import CARD_NAME, model_card
from l2s.checkpoints.model_entry import split_source
from l2s.checkpoints.safe_write import check_room, clear_disk_errors, put_beside_manifest, unchanged
from l2s.errors import UserError
from l2s.files import atomic_folder, digest_of, pretty_json, read_json, sha256_file, sync, write_text
from l2s.gpus import lease
from l2s.provenance import module_digest
from l2s.training.engine.contract import Material, Trained
from l2s.training.engine.recipe import TrainingRecipe

SIDECAR_NAME = "train.json"
ADAPTER_FOLDER = "adapter"
PROGRESS_FOLDER = "progress"
LOCK_NAME = ".lock"
# What decides the adapter besides recipe, model and pairs: the method's own module and these, and the packages.
DECIDING_MODULES = ("l2s.training.engine.preferences", "l2s.training.engine.trainer")
PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate")


class Job(NamedTuple):
    """A training, completely described.

    Attributes:
        recipe: The recipe.
        parent: The model that is trained.
        material: Its folder and the preference pairs.
        granted: The GPUs that Snakemake granted; None outside Snakemake.
    """

    recipe: TrainingRecipe
    parent: Parent
    material: Material
    granted: int | None = None

    def described(self) -> dict[str, Any]:
        """Return the recipe with the digest of the pairs as the model reads them, prompts included."""
        return {**self.recipe.resolved(), "pairs_sha256": digest_of(self.material.preferences)}

    def identity(self) -> str:
        """Return the digest of everything that decides the adapter, 16 hex digits."""
        return digest_of(
            {
                "recipe": {**self.described(), "model": self.parent.content_id},
                "code": [module_digest(name) for name in (self.recipe.module, *DECIDING_MODULES)],
                "packages": {name: version(name) for name in PACKAGES},
            }
        )[:16]


def train_checkpoint(job: Job, out: Path, store: Path) -> Manifest:
    """Train, and put the finished checkpoint at ``out``: weights, config files, adapter, manifest, card, sidecar.

    Args:
        job: What to train.
        out: Folder of the checkpoint; what was there is replaced once the new one is whole.
        store: Folder that keeps trainings, finished or not.

    Raises:
        UserError: The model cannot be trained so, the disk is full, or the model's files changed meanwhile.
    """
    _check_modules(job)
    with clear_disk_errors(out):
        trained = _trained(job, store / job.identity())
        with atomic_folder(out) as folder, unchanged([job.material.model]):
            shutil.copytree(trained.adapter, folder / ADAPTER_FOLDER)
            for file in (folder / ADAPTER_FOLDER).iterdir():
                sync(file)
            manifest = _describe(job.described(), job.parent, job.material.model, folder / ADAPTER_FOLDER, folder)
            (folder / CARD_NAME).write_text(model_card(manifest), encoding="utf-8")
            (folder / SIDECAR_NAME).write_text(pretty_json(trained.facts), encoding="utf-8")
            write_manifest(manifest, folder / MANIFEST_NAME)
    return manifest


def _trained(job: Job, kept: Path) -> Trained:
    """Return a training from the store, going on with it if it is not finished."""
    kept.mkdir(parents=True, exist_ok=True)
    with FileLock(kept / LOCK_NAME):
        adapter, facts = kept / ADAPTER_FOLDER, kept / SIDECAR_NAME
        if adapter.is_dir():
            print(f"trained already: {kept}", flush=True)
            return Trained(adapter, read_json(facts, f"delete {kept} and train again"))
        if job.recipe.method.gpus:
            lease(job.recipe.method.gpus, job.granted)
        started = time.monotonic()
        trained = job.recipe.method.train(job.material, kept / PROGRESS_FOLDER)
        write_text(facts, pretty_json({**trained.facts, **_circumstances(time.monotonic() - started)}))
        with atomic_folder(adapter) as folder:
            _copy_adapter(trained.adapter, folder, job.recipe.model)
        shutil.rmtree(kept / PROGRESS_FOLDER)
        return Trained(adapter, read_json(facts, f"delete {kept} and train again"))


def rebuild_checkpoint(expected: Manifest, model: Path, out: Path) -> None:
    """Make a trained checkpoint's weights again beside its manifest, from the model and the adapter that was kept.

    Raises:
        UserError: The adapter is gone or altered, or the weights come out with another content_id.
    """
    for name, record in expected.adapter.items():
        if not (out / name).is_file() or sha256_file(out / name) != record.sha256:
            raise UserError(f"{out / name}: gone or altered, and only training makes it again: delete {out} and re-run")
    target = out.with_name(f"{out.name}.rebuilt")
    with clear_disk_errors(target), atomic_folder(target) as folder, unchanged([model]):
        manifest = _describe(expected.recipe, expected.parents[0], model, out / ADAPTER_FOLDER, folder)
        put_beside_manifest(folder, out, manifest, expected)
    target.rmdir()


def _check_modules(job: Job) -> None:
    """Refuse a layer's name that no tensor has: PEFT ignores one as long as another fits."""
    names = read_headers(job.material.model)
    for module in job.recipe.method.target_modules:
        if not any(name.endswith(f".{module}.weight") for name in names):
            raise UserError(f"recipe: key 'target_modules': {job.material.model} has no layer '{module}'")


def _copy_adapter(adapter: Path, folder: Path, model: str) -> None:
    """Copy an adapter's two files; its config names the model as the recipe does, not by where it lay."""
    shutil.copyfile(adapter / ADAPTER_WEIGHTS, folder / ADAPTER_WEIGHTS)
    place = split_source(model)
    name, revision = (str(place), None) if isinstance(place, Path) else place
    config = read_json(adapter / ADAPTER_CONFIG, "train again")
    # PEFT writes a set in whatever order.
    config |= {
        "base_model_name_or_path": name,
        "revision": revision,
        "target_modules": sorted(config["target_modules"]),
    }
    (folder / ADAPTER_CONFIG).write_text(pretty_json(config), encoding="utf-8")


def _describe(recipe: dict[str, Any], parent: Parent, model: Path, adapter: Path, folder: Path) -> Manifest:
    """Write weights and config files into ``folder`` and return their manifest."""
    check_room(folder, sum(place.nbytes for place in read_headers(model).values()))
    tensors = merge_adapter(model, adapter, folder)
    for name in CONFIG_FILES:
        if (model / name).is_file():
            shutil.copyfile(model / name, folder / name)
    files = config_file_records(folder) | weight_records(weight_files(folder), digests=False)
    return Manifest(
        kind="trained",
        content_id=content_id(tensors, files),
        recipe=recipe,
        parents=(parent,),
        tensors=tensors,
        files=files,
        adapter={
            f"{ADAPTER_FOLDER}/{file.name}": FileRecord(bytes=file.stat().st_size, sha256=sha256_file(file))
            for file in sorted(adapter.iterdir())
        },
    )


def _circumstances(seconds: float) -> dict[str, Any]:
    return {
        "training_seconds": round(seconds, 3),
        "peak_resident_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        **{name: version(name) for name in PACKAGES},
    }
