"""Train the slow model towards short answers: the rule train, and a command line of its own.

    python scripts/train.py --recipe config/recipes/dpo.yaml --model DIR --out DIR

A recipe names a method, its hyper-parameters, calibration data whose quick answers are to be preferred to its slow
ones, and a prompt; these two are names of entries under ``config/`` or paths of YAML files.
"""

import shutil
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pyarrow as pa
import typer

from l2s.checkpoints.manifest import Parent, read_manifest
from l2s.checkpoints.tokenizer import load_tokenizer
from l2s.checkpoints.weights import Checkpoint, lasting_source, locate
from l2s.config import Named, entry_of_rule, entry_option, read_values
from l2s.decoding.prompts import Prompt
from l2s.decoding.settings import PromptEntry
from l2s.errors import UserError
from l2s.jobs import run_cli, run_job
from l2s.sources.calibration_data import find_calibration_data
from l2s.steps import register_steps
from l2s.training.engine.contract import Material, Preference
from l2s.training.engine.recipe import TrainingRecipe, parse_training


class RecipeFile(NamedTuple):
    """A recipe that lacks its model, and what errors call it."""

    values: dict[str, Any]
    where: str


def read_recipe(path: str) -> RecipeFile:
    """Read a recipe from a YAML file."""
    values = read_values(Path(path))
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected a mapping with 'method' and its hyper-parameters")
    return RecipeFile(values, path)


def main(
    recipe: Annotated[
        RecipeFile | None, typer.Option(parser=read_recipe, metavar="FILE", help="YAML file of the recipe.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="What is trained: a folder, its manifest.json, or owner/name@<40-digit commit>."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the trained checkpoint.")] = None,
    rebuild: Annotated[
        Path | None,
        typer.Option(help="In place of all others: manifest of a trained checkpoint, whose weights are made again."),
    ] = None,
    calibration_data: Annotated[
        str | None,
        typer.Option(
            metavar="ENTRY",
            help="Entry of config/calibration_data, YAML file, or Parquet file of load_calibration_data.py. Default: "
            "the entry that the recipe names.",
        ),
    ] = None,
    prompt: Annotated[
        Named[PromptEntry] | None,
        typer.Option(
            parser=entry_option("prompts", PromptEntry, "--prompt"),
            metavar="ENTRY",
            help="Entry of config/prompts or YAML file. Default: the entry that the recipe names.",
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(help="Folder that keeps trainings. Default: one beside OUT, while it is made."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace whatever OUT holds. Default: OUT must not exist.")
    ] = False,
    gpus: Annotated[
        int | None, typer.Option(help="GPUs that were granted; fewer than needed is an error. Default: any number.")
    ] = None,
) -> None:
    """Train a model by a recipe (--recipe, --model, --out), or make a trained checkpoint's weights again (--rebuild).

    A training that is stopped leaves its progress in the store and goes on when the command is repeated.
    """
    from l2s.training.engine.run import Job, rebuild_checkpoint, train_checkpoint

    if rebuild:
        expected = read_manifest(rebuild, "trained")
        rebuild_checkpoint(expected, locate(expected.parents[0].source), rebuild.parent)
    elif recipe and model and out:
        out = out.resolve()
        if not overwrite and (out.exists() or any(parent.is_file() for parent in out.parents)):
            raise UserError(f"{out}: exists, or lies below a file; choose another folder for --out")
        checkpoint = Checkpoint.find(model)
        parsed = parse_training({**recipe.values, "model": lasting_source(model)}, recipe.where)
        data = calibration_data or parsed.method.calibration_data
        table = find_calibration_data(data, f"{recipe.where}: key 'calibration_data'")
        if prompt is None:
            prompt = entry_option("prompts", PromptEntry, f"{recipe.where}: key 'prompt'")(parsed.method.prompt)
        folder, known = checkpoint.checked_weights(), checkpoint.manifest
        parent = Parent(used_as="model", source=parsed.model, content_id=known.content_id, licence=known.licence)
        material = Material(folder, preferences(table, prompt.entry, parsed, folder))
        kept = store or out.with_name(f".{out.name}.training")
        trained = train_checkpoint(Job(parsed, parent, material, gpus), out, kept)
        print(f"{out}: {len(trained.tensors)} tensors, content_id {trained.content_id}")
        if store is None:
            shutil.rmtree(kept)
    else:
        raise UserError("give --recipe, --model and --out, or --rebuild; --help explains them")


def preferences(table: pa.Table, entry: PromptEntry, recipe: TrainingRecipe, model: Path) -> list[Preference]:
    """Return calibration data's preference pairs, their prompts as the model is given them in decoding.

    Raises:
        UserError: The prompt does not fit the model's tokenizer, or shows examples, which are a benchmark's.
    """
    if entry.few_shot:
        raise UserError(f"prompt '{recipe.method.prompt}': training needs a prompt without 'few_shot'")
    prompt, prefix = Prompt(entry, load_tokenizer(model, needs_end=True)), recipe.method.answer_prefix
    return [
        Preference(
            prompt.ids(prompt.text("", row["question"])), prefix + row["quick_answer"], prefix + row["slow_answer"]
        )
        for row in table.to_pylist()
    ]


register_steps()

if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        recipe=RecipeFile(snakemake.params.recipe, "recipe of this job"),
        model=snakemake.input.model,
        out=Path(snakemake.output.manifest).parent,
        calibration_data=snakemake.input.calibration_data,
        prompt=entry_of_rule("prompts", PromptEntry, snakemake.params.recipe["prompt"], snakemake.params.prompt),
        store=Path(snakemake.params.store, "training"),
        overwrite=True,
        gpus=snakemake.resources.gpu,
    )
elif __name__ == "__main__":
    run_cli(main)
