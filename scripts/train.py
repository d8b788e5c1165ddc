"""Train the slow model towards short answers: the train rule's script, and a command line of its own.

    python scripts/train.py --recipe config/recipes/dpo.yaml --model DIR --out DIR

A recipe names a method, its hyper-parameters, calibration data whose quick answers are to be preferred to its slow
ones, and a prompt; by hand, these two are names of entries under ``config/`` or paths of YAML files.
"""

import shutil
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import typer

from l2s.checkpoints.manifest import Parent, read_manifest
from l2s.checkpoints.model_entry import split_source
from l2s.checkpoints.tokenizer import load_tokenizer
from l2s.checkpoints.weights import Checkpoint, locate
from l2s.config import entry_path, read_entry, read_yaml, validate
from l2s.contracts.calibration_data import CALIBRATION_DATA
from l2s.contracts.parquet import read_table
from l2s.decoding.prompts import Prompt
from l2s.decoding.settings import PromptEntry
from l2s.errors import UserError
from l2s.jobs import run_cli, run_job
from l2s.sources.calibration_data import CalibrationDataEntry, load_calibration_data
from l2s.steps import register_steps
from l2s.training.engine.contract import Material, Preference
from l2s.training.engine.recipe import TrainingRecipe, parse_training
from l2s.training.engine.run import Job, rebuild_checkpoint, train_checkpoint

CONFIG = Path(__file__).resolve().parents[1] / "config"


def main(
    recipe: Annotated[Path | None, typer.Option(help="YAML file of the recipe.")] = None,
    model: Annotated[
        str | None, typer.Option(help="What is trained: a folder, or owner/name@<40-digit commit>.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the trained checkpoint.")] = None,
    rebuild: Annotated[
        Path | None, typer.Option(help="Manifest of a trained checkpoint whose weights are to be made again beside it.")
    ] = None,
) -> None:
    """Train a model by a recipe (--recipe, --model, --out), or make a trained checkpoint's weights again (--rebuild).

    A training that is stopped leaves its progress beside OUT and goes on when the command is repeated.
    """
    if rebuild:
        expected = read_manifest(rebuild)
        if expected.kind != "trained":
            raise UserError(f"{rebuild}: describes no trained checkpoint; give the manifest of one")
        rebuild_checkpoint(expected, locate(expected.parents[0].source), rebuild.parent)
    elif recipe and model and out:
        out = out.resolve()
        if out.exists() or any(parent.is_file() for parent in out.parents):
            raise UserError(f"{out}: exists, or lies below a file; choose another folder for --out")
        folder = locate(model)
        # Absolute, so that the weights can be made again from any working directory.
        source = str(folder.resolve()) if isinstance(split_source(model), Path) else model
        parsed = parse_training({**read_mapping(recipe), "model": source}, str(recipe))
        asked = parsed.method.calibration_data
        data = entry_path(CONFIG / "calibration_data", asked, f"{recipe}: key 'calibration_data'")
        prompt = entry_path(CONFIG / "prompts", parsed.method.prompt, f"{recipe}: key 'prompt'")
        table = load_calibration_data(read_entry(data, CalibrationDataEntry), str(data))
        material = Material(folder, preferences(table, read_entry(prompt, PromptEntry), parsed, folder))
        kept = out.with_name(f".{out.name}.training")
        finish(parsed, Checkpoint.from_folder(folder), material, out, kept)
        shutil.rmtree(kept)
    else:
        raise UserError("give --recipe, --model and --out, or --rebuild; --help explains them")


def train_job(
    recipe: dict[str, Any],
    manifest: Path,
    calibration_data: Path,
    prompt: dict[str, Any],
    store: Path,
    out: Path,
    gpus: int,
) -> None:
    """Train inside the workflow, where the model has a manifest and the calibration data is a table.

    Args:
        recipe: Resolved recipe whose ``model`` is a source (repo@revision or local directory).
        manifest: The model's manifest.
        calibration_data: Parquet file of the calibration data, schema CALIBRATION_DATA.
        prompt: The prompt's entry.
        store: Folder of the stores; trainings are kept in its ``training``.
        out: Folder of the trained checkpoint.
        gpus: How many Snakemake granted.
    """
    parsed = parse_training(recipe, "recipe of this job")
    checkpoint = Checkpoint.from_manifest(manifest)
    asked = validate(PromptEntry, prompt, "prompt of this job")
    folder = checkpoint.checked_weights()
    material = Material(folder, preferences(read_table(calibration_data, CALIBRATION_DATA), asked, parsed, folder))
    finish(parsed, checkpoint, material, out, store / "training", gpus)


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


def finish(
    recipe: TrainingRecipe, model: Checkpoint, material: Material, out: Path, store: Path, granted: int | None = None
) -> None:
    """Train and say what came out."""
    known = model.manifest
    parent = Parent(used_as="model", source=recipe.model, content_id=known.content_id, licence=known.licence)
    manifest = train_checkpoint(Job(recipe, parent, material, granted), out, store)
    print(f"{out}: {len(manifest.tensors)} tensors, content_id {manifest.content_id}")


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML file that must hold a mapping."""
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected a mapping with 'method' and its hyper-parameters")
    return values


register_steps()

if "snakemake" in globals():
    run_job(
        train_job,
        snakemake,
        recipe=snakemake.params.recipe,
        manifest=Path(snakemake.input.model),
        calibration_data=Path(snakemake.input.calibration_data),
        prompt=snakemake.params.prompt,
        store=Path(snakemake.params.store),
        out=Path(snakemake.output.manifest).parent,
        gpus=snakemake.resources.gpu,
    )
elif __name__ == "__main__":
    run_cli(main)
