"""Merge models by a recipe: the merge rule's script, and a command line of its own.

    python scripts/merge.py --recipe recipe.yaml --out DIR

A recipe names a method, its hyper-parameters, the base and the models (local directories or repo@revision):

    method: ties
    keep_fraction: 0.2
    scale: 1.0
    base: models/quick
    models: [models/slow]
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from l2s.checkpoints.manifest import MANIFEST_NAME, Parent, read_manifest
from l2s.checkpoints.model_entry import split_source
from l2s.checkpoints.weights import Checkpoint, locate
from l2s.config import read_yaml
from l2s.contracts.calibrations import Calibration, read_calibration
from l2s.errors import UserError
from l2s.jobs import run_cli, run_job
from l2s.merging.engine.recipe import Recipe, parse_recipe
from l2s.merging.engine.run import BESIDE_WEIGHTS, Workers, merge_checkpoint
from l2s.steps import register_steps

PROJECT = Path(__file__).resolve().parents[1]


def main(
    recipe: Annotated[Path | None, typer.Option(help="YAML file: method, hyper-parameters, base, models.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the merged checkpoint.")] = None,
    rebuild: Annotated[
        Path | None, typer.Option(help="Manifest of a merged checkpoint whose weights are to be made again beside it.")
    ] = None,
    into: Annotated[Path | None, typer.Option(help="With --rebuild: folder to put the weights into instead.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Tensors worked on at a time.")] = len(os.sched_getaffinity(0)),
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where to compute.")] = "cpu",
    calibration: Annotated[
        list[str] | None, typer.Option(help="NAME=PATH of a calibration that the method reads; may be repeated.")
    ] = None,
) -> None:
    """Merge models by a recipe (--recipe, --out), or make a merged checkpoint's weights again (--rebuild)."""
    if rebuild:
        expected = read_manifest(rebuild)
        if expected.kind != "merged":
            raise UserError(f"{rebuild}: describes a fetched model; scripts/fetch_model.py --rebuild fetches it again")
        parsed = parse_recipe(expected.recipe, str(rebuild))
        parents = [(parent, locate(parent.source)) for parent in expected.parents]
        # Manifests of the workflow name calibrations relative to the project.
        files = {record.name: PROJECT / record.path for record in expected.calibrations}
        read = read_calibrations(parsed, files, parents)
        merge_checkpoint(parsed, parents, into or rebuild.parent, Workers(threads, device), expected, read)
    elif recipe and out:
        parsed = parse_recipe(read_yaml(recipe), str(recipe))
        out = out.resolve()
        parents = by_hand_parents(parsed)
        refuse_to_overwrite(out, [folder for _, folder in parents])
        files = parse_calibrations(calibration or [])
        finish(parsed, parents, files, out, Workers(threads, device))
    else:
        raise UserError("give --recipe and --out, or --rebuild; --help explains them")


def merge_job(
    recipe: dict[str, Any], manifests: dict[str, str], calibrations: dict[str, str], out: Path, workers: Workers
) -> None:
    """Merge inside the workflow, where every parent has a manifest.

    Args:
        recipe: Resolved recipe whose ``base`` and ``models`` are sources (repo@revision or local directory).
        manifests: Path of the manifest of each of these sources.
        calibrations: Path of the manifest of each calibration, by the method's names.
        out: Folder of the merged checkpoint.
        workers: What to run on, and whether to keep the weights.
    """
    parsed = parse_recipe(recipe, "recipe of this job")
    parents = []
    for used_as, source in parents_of(parsed):
        checkpoint = Checkpoint.from_manifest(Path(manifests[source]))
        known = checkpoint.manifest
        parent = Parent(used_as=used_as, source=source, content_id=known.content_id, licence=known.licence)
        parents.append((parent, checkpoint.weights()))
    finish(parsed, parents, {name: Path(path) for name, path in calibrations.items()}, out, workers)


def finish(
    recipe: Recipe, parents: list[tuple[Parent, Path]], calibrations: dict[str, Path], out: Path, workers: Workers
) -> None:
    """Merge and say what came out."""
    read = read_calibrations(recipe, calibrations, parents)
    manifest = merge_checkpoint(recipe, parents, out, workers, calibrations=read)
    print(f"{out}: {len(manifest.tensors)} tensors, content_id {manifest.content_id}")


def parse_calibrations(given: list[str]) -> dict[str, Path]:
    """Read NAME=PATH options."""
    pairs = [text.partition("=") for text in given]
    for (name, equals, path), text in zip(pairs, given, strict=True):
        if not (name and equals and path):
            raise UserError(f"--calibration {text}: give NAME=PATH, e.g. base=activations.json")
    return {name: Path(path).resolve() for name, _, path in pairs}


def read_calibrations(
    recipe: Recipe, files: dict[str, Path], parents: list[tuple[Parent, Path]]
) -> dict[str, Calibration]:
    """Read the calibrations that the recipe's method asks for, each measured on these very parents."""
    asked = recipe.method.calibrations_needed(len(recipe.inputs.models))
    for name in asked.keys() ^ files.keys():
        if name in files:
            names = ", ".join(asked) or "none"
            raise UserError(f"--calibration {name}: method '{recipe.method.method}' reads {names}")
        side = asked[name]
        of = " and of ".join("the base" if model is None else recipe.inputs.models[model] for model in side.models)
        raise UserError(
            f"method '{recipe.method.method}' reads {side.kind} of {of} on the {side.answer} answers of "
            f"'{side.calibration_data}': measure them with scripts/calibrate.py and give --calibration {name}=PATH"
        )
    if not asked:
        return {}
    ids = [parent.content_id or Checkpoint.from_folder(folder).manifest.content_id for parent, folder in parents]
    first = 1 if recipe.inputs.base else 0
    return {
        name: read_calibration(
            files[name],
            side.kind,
            tuple(ids[0] if model is None else ids[first + model] for model in side.models),
            side.calibration_data,
            side.answer,
        )
        for name, side in asked.items()
    }


def parents_of(recipe: Recipe) -> list[tuple[str, str]]:
    """Return (base or model, source) of each parent, the base first."""
    base = [("base", recipe.inputs.base)] if recipe.inputs.base else []
    return base + [("model", source) for source in recipe.inputs.models]


def refuse_to_overwrite(out: Path, parents: list[Path]) -> None:
    """Let a hand-run merge replace nothing but an earlier merge, and none that it reads."""
    if out.resolve() in [folder.resolve() for folder in parents]:
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


def by_hand_parents(recipe: Recipe) -> list[tuple[Parent, Path]]:
    """Locate the parents of a hand-written recipe; a parent's own manifest, if it has one, gives its content_id."""
    parents = []
    for used_as, source in parents_of(recipe):
        folder = locate(source)
        own = folder / MANIFEST_NAME
        known = read_manifest(own).content_id if own.is_file() else None
        # Absolute, so that the weights can be made again from any working directory.
        place = str(folder.resolve()) if isinstance(split_source(source), Path) else source
        parents.append((Parent(used_as=used_as, source=place, content_id=known), folder))
    return parents


register_steps()

if "snakemake" in globals():
    run_job(
        merge_job,
        snakemake,
        recipe=snakemake.params.recipe,
        manifests=dict(zip(snakemake.params.sources, snakemake.input.parents, strict=True)),
        calibrations=dict(zip(snakemake.params.calibrations, snakemake.input.calibrations, strict=True)),
        out=Path(snakemake.output.manifest).parent,
        workers=Workers(snakemake.threads, keep=snakemake.config["keep_checkpoints"]),
    )
elif __name__ == "__main__":
    run_cli(main)
