"""Merge models by a recipe: the rule merge, and a command line of its own.

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
from typing import Annotated, Literal

import typer

from l2s.checkpoints.manifest import read_manifest
from l2s.config import PROJECT, NamedPath, named_path_option, read_values
from l2s.errors import UserError
from l2s.gpus import take_device
from l2s.jobs import run_cli, run_job
from l2s.merging.engine.recipe import Recipe, parse_recipe
from l2s.steps import register_steps


def read_recipe(path: str) -> Recipe:
    """Read a recipe from a YAML file."""
    return parse_recipe(read_values(Path(path)), path)


def main(
    recipe: Annotated[
        Recipe | None,
        typer.Option(parser=read_recipe, metavar="FILE", help="YAML file: method, hyper-parameters, base, models."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the merged checkpoint.")] = None,
    rebuild: Annotated[
        Path | None,
        typer.Option(
            help="In place of --recipe and --out: manifest of a merged checkpoint, whose weights are made again beside "
            "it."
        ),
    ] = None,
    into: Annotated[Path | None, typer.Option(help="With --rebuild: folder to put the weights into instead.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Tensors worked on at a time.")] = len(os.sched_getaffinity(0)),
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute; auto: on a GPU where there is one.")
    ] = "cpu",
    gpus: Annotated[
        int | None, typer.Option(help="GPUs that were granted; fewer than needed is an error. Default: any number.")
    ] = None,
    calibration: Annotated[
        list[NamedPath] | None,
        typer.Option(
            parser=named_path_option("--calibration", "base=activations.json"),
            metavar="NAME=PATH",
            help="A calibration that the method reads: its manifest, by the method's name for it; may be repeated. "
            "Default: none.",
        ),
    ] = None,
    manifest: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="<path>",
            help="Manifest of a fetched model of the recipe; may be repeated. Default: the model's own, if its folder "
            "holds one.",
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option(help="Whether to write the weights; they can be made again with --rebuild.")
    ] = True,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace whatever OUT holds. Default: only an earlier merge.")
    ] = False,
) -> None:
    """Merge models by a recipe (--recipe, --out), or make a merged checkpoint's weights again (--rebuild)."""
    from l2s.checkpoints.weights import locate
    from l2s.merging.engine.parents import find_parents, known_tensors, read_calibrations
    from l2s.merging.engine.run import Workers, merge_checkpoint, refuse_to_overwrite

    workers = Workers(threads, take_device(device, gpus), keep)
    files = {name: path for name, path in calibration or []}
    if rebuild:
        expected = read_manifest(rebuild, "merged")
        parsed = parse_recipe(expected.recipe, str(rebuild))
        parents = [(parent, locate(parent.source)) for parent in expected.parents]
        # Manifests of the workflow name calibrations relative to the project.
        files = {record.name: PROJECT / record.path for record in expected.calibrations}
        read = read_calibrations(parsed, files, parents)
        merge_checkpoint(parsed, parents, into or rebuild.parent, workers, expected, read)
    elif recipe and out:
        out = out.resolve()
        parents = find_parents(recipe, manifest or [])
        if not overwrite:
            refuse_to_overwrite(out, [folder for _, folder in parents])
        read = read_calibrations(recipe, files, parents)
        known = known_tensors(parents, manifest or [])
        merged = merge_checkpoint(recipe, parents, out, workers, calibrations=read, known=known)
        print(f"{out}: {len(merged.tensors)} tensors, content_id {merged.content_id}")
    else:
        raise UserError("give --recipe and --out, or --rebuild; --help explains them")


register_steps()

if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        recipe=parse_recipe(snakemake.params.recipe, "recipe of this job"),
        out=Path(snakemake.output.manifest).parent,
        threads=snakemake.threads,
        # What 'auto' comes to is decided where GPUs are granted. No merge is made again because of it.
        device="cuda" if snakemake.config["merge_device"] == "cuda" or snakemake.resources.gpu else "cpu",
        gpus=snakemake.resources.gpu,
        calibration=list(map(NamedPath, snakemake.params.calibrations, map(Path, snakemake.input.calibrations))),
        manifest=[Path(path) for path in snakemake.input.parents],
        keep=snakemake.config["keep_checkpoints"],
        overwrite=True,
    )
elif __name__ == "__main__":
    run_cli(main)
