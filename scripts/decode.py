"""Decode benchmarks with a checkpoint: the decode rule's script, and a command line of its own.

    python scripts/decode.py --model DIR --benchmark gsm8k --out responses.parquet

By hand, benchmarks and decode settings are names of entries under ``config/`` or paths of YAML files.
"""

import importlib
import time
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import typer

from l2s.checkpoints.weights import Checkpoint, locate
from l2s.config import entry_path, read_entry, validate
from l2s.decoding.session import Model, Question, Session, numeric_settings, read_model
from l2s.decoding.settings import DecodingEntry, PromptEntry
from l2s.decoding.store import ResponseStore
from l2s.errors import UserError
from l2s.files import pretty_json, write_text
from l2s.gpus import check_granted, lease
from l2s.jobs import run_cli, run_job
from l2s.parquet import read_table, write_table
from l2s.provenance import module_digest
from l2s.sources.benchmarks import QUESTIONS, BenchmarkEntry, load_questions

CONFIG = Path(__file__).resolve().parents[1] / "config"
ENGINE_PACKAGES = {"transformers": ("transformers", "torch")}


def main(
    model: Annotated[str, typer.Option(help="Folder of a model or checkpoint, or owner/name@<40-digit commit>.")],
    benchmark: Annotated[list[str], typer.Option(help="Entry name or YAML file; may be given several times.")],
    out: Annotated[Path, typer.Option(help="Parquet file of the responses; a JSON sidecar is written beside it.")],
    decoding: Annotated[
        str | None, typer.Option(help="Decode settings: entry name or YAML file. Default: paper on a GPU, else cpu.")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Folder that keeps responses between runs. Default: OUT with .store added.")
    ] = None,
) -> None:
    """Decode every question of the benchmarks with a model."""
    decoding = decoding or choose_settings()
    settings = read_entry(entry_path(CONFIG / "decoding", decoding, "--decoding"), DecodingEntry)
    prompt = read_entry(entry_path(CONFIG / "prompts", settings.prompt, f"decode settings {decoding}"), PromptEntry)
    tables = []
    for name in benchmark:
        path = entry_path(CONFIG / "benchmarks", name, "--benchmark")
        tables.append(load_questions(path.stem, read_entry(path, BenchmarkEntry), str(path)))
    if len(set(benchmark)) < len(benchmark):
        raise UserError("--benchmark: one is given twice")
    if out.suffix != ".parquet":
        raise UserError(f"{out}: --out must end in .parquet; a sidecar that ends in .json is written beside it")
    checkpoint = Checkpoint.from_folder(locate(model))
    decode(checkpoint, tables, settings, prompt, store or out.with_name(f"{out.name}.store"), out)


def choose_settings() -> str:
    """Name the decode settings for this machine, and say so."""
    import torch

    # Not torch.cuda.is_available(): it makes CUDA read CUDA_VISIBLE_DEVICES, before a lease has set it.
    chosen = "paper" if torch.cuda.device_count() > 0 else "cpu"
    print(f"decode settings: {chosen} (config/decoding/{chosen}.yaml); choose others with --decoding")
    return chosen


def decode_job(
    manifest: Path,
    questions: list[Path],
    settings: dict[str, Any],
    prompt: dict[str, Any],
    store: Path,
    out: Path,
    gpus: int,
) -> None:
    """Decode inside the workflow, where the checkpoint has a manifest and the benchmarks are tables of questions.

    Args:
        manifest: The checkpoint's manifest; its weights are made again if they are not there.
        questions: Parquet files with the schema QUESTIONS, one per benchmark.
        settings: Decode settings, resolved.
        prompt: The prompt's entry.
        store: Folder of the response store.
        out: Parquet file to write, with a JSON sidecar beside it.
        gpus: How many Snakemake granted.
    """
    decode(
        Checkpoint.from_manifest(manifest),
        [read_table(path, QUESTIONS) for path in questions],
        validate(DecodingEntry, settings, "decode settings of this job"),
        validate(PromptEntry, prompt, "prompt of this job"),
        store,
        out,
        gpus,
    )


def decode(
    checkpoint: Checkpoint,
    tables: list[pa.Table],
    settings: DecodingEntry,
    prompt: PromptEntry,
    store: Path,
    out: Path,
    granted: int | None = None,
) -> None:
    """Decode the tables' questions with a checkpoint and write responses and sidecar."""
    started = time.monotonic()
    model = read_model(checkpoint.companions(), settings)
    identity = {name: version(name) for name in ENGINE_PACKAGES[settings.engine]}
    identity["code"] = module_digest(settings.engine_module)
    numeric = numeric_settings(settings, identity, model)
    responses = ResponseStore(store, checkpoint.manifest.content_id, numeric)
    session = Session(model, settings, prompt, responses, lambda: start_engine(checkpoint, settings, model, granted))
    table = session.run([questions_of(table) for table in tables])
    sidecar = {
        "content_id": checkpoint.manifest.content_id,
        "settings": numeric,
        "prompt": prompt.model_dump(),
        "seconds": round(time.monotonic() - started, 3),
        **session.facts,
    }
    write_text(out.with_suffix(".json"), pretty_json(sidecar))
    write_table(table, out)
    print(f"{out}: {len(table)} responses")


def start_engine(checkpoint: Checkpoint, settings: DecodingEntry, model: Model, granted: int | None) -> Any:
    """Start the engine that the settings name, on the checkpoint's weights and on GPUs leased for it."""
    check_granted(settings.gpus, granted)
    folder = checkpoint.checked_weights()
    if settings.gpus:
        lease(settings.gpus)
    return importlib.import_module(settings.engine_module).start(folder, settings, model.stop_ids)


def questions_of(table: pa.Table) -> list[Question]:
    """Return a benchmark's questions from its table."""
    return [Question(row["benchmark"], row["question_id"], row["question"]) for row in table.to_pylist()]


if "snakemake" in globals():
    run_job(
        decode_job,
        snakemake,
        manifest=Path(snakemake.input.manifest),
        questions=[Path(path) for path in snakemake.input.questions],
        settings=snakemake.params.settings,
        prompt=snakemake.params.prompt,
        store=Path(snakemake.params.store),
        out=Path(snakemake.output.responses),
        gpus=snakemake.resources.gpu,
    )
elif __name__ == "__main__":
    run_cli(main)
