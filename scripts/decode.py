"""Decode benchmarks with a checkpoint: the decode rule's script, and a command line of its own.

    python scripts/decode.py --model DIR --benchmark gsm8k --out responses.parquet

By hand, benchmarks and decode settings are names of entries under ``config/`` or paths of YAML files.
"""

import importlib
import time
from collections.abc import Sequence
from contextlib import ExitStack
from enum import StrEnum
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import typer

from l2s.checkpoints.manifest import TOKENIZER_NAMES, read_json
from l2s.checkpoints.weights import Checkpoint, locate
from l2s.config import entry_path, read_entry, validate
from l2s.contracts.examples import EXAMPLES
from l2s.contracts.parquet import read_table, write_table
from l2s.contracts.questions import QUESTIONS
from l2s.decoding.prompts import Example, Prompt
from l2s.decoding.session import Model, Question, Session, numeric_settings, read_model
from l2s.decoding.settings import DecodingEntry, PromptEntry, Role
from l2s.decoding.stopping import Stops
from l2s.decoding.store import ResponseStore
from l2s.errors import UserError
from l2s.files import pretty_json, write_text
from l2s.gpus import lease
from l2s.jobs import run_cli, run_job
from l2s.provenance import module_digest
from l2s.sources.benchmarks import BenchmarkEntry, load_questions
from l2s.sources.examples import ExamplesEntry, load_examples

CONFIG = Path(__file__).resolve().parents[1] / "config"
ENGINE_PACKAGES = {"transformers": ("transformers", "torch"), "vllm": ("vllm", "transformers", "torch")}


class EngineChoice(StrEnum):
    """What ``--engine`` takes."""

    TRANSFORMERS = "transformers"
    VLLM = "vllm"
    AUTO = "auto"


def main(
    model: Annotated[str, typer.Option(help="Folder of a model or checkpoint, or owner/name@<40-digit commit>.")],
    benchmark: Annotated[list[str], typer.Option(help="Entry name or YAML file; may be given several times.")],
    out: Annotated[Path, typer.Option(help="Parquet file of the responses; a JSON sidecar is written beside it.")],
    decoding: Annotated[
        str | None, typer.Option(help="Decode settings: entry name or YAML file. Default: paper on a GPU, else cpu.")
    ] = None,
    engine: Annotated[
        EngineChoice | None,
        typer.Option(
            help="In place of the engine that the decode settings name, with its default options. auto, the default "
            "without --decoding: vllm if it is installed and the device is cuda, else transformers."
        ),
    ] = None,
    role: Annotated[
        Role | None, typer.Option(help="What the model is, where settings go by role. Default: merged, if it is.")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Folder that keeps responses between runs. Default: OUT with .store added.")
    ] = None,
) -> None:
    """Decode every question of the benchmarks with a model."""
    if decoding is None:
        decoding, engine = choose_settings(), engine or EngineChoice.AUTO
    settings = read_entry(entry_path(CONFIG / "decoding", decoding, "--decoding"), DecodingEntry)
    if engine is not None:
        settings = choose_engine(settings, engine)
    checkpoint = Checkpoint.from_folder(locate(model))
    settings = settings.for_roles([role or role_of(checkpoint, settings)])
    prompt_path = entry_path(CONFIG / "prompts", settings.prompt, f"decode settings {decoding}")
    prompt = read_entry(prompt_path, PromptEntry)
    paths = [entry_path(CONFIG / "benchmarks", name, "--benchmark") for name in benchmark]
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        raise UserError("--benchmark: one is given twice")
    entries = {path.stem: read_entry(path, BenchmarkEntry) for path in paths}
    sets = {path.stem: prompt.set_for(entries[path.stem].examples, str(path)) for path in paths if prompt.few_shot}
    if out.suffix != ".parquet":
        raise UserError(f"{out}: --out must end in .parquet; a sidecar that ends in .json is written beside it")
    tables = [load_questions(path.stem, entries[path.stem], str(path)) for path in paths]
    shown = load_sets(prompt, set(sets.values()), str(prompt_path))
    decode(checkpoint, tables, shown, sets, settings, prompt, store or out.with_name(f"{out.name}.store"), out)


def choose_settings() -> str:
    """Name the decode settings for this machine, and say so."""
    import torch

    # Not torch.cuda.is_available(): it makes CUDA read CUDA_VISIBLE_DEVICES, before a lease has set it.
    chosen = "paper" if torch.cuda.device_count() > 0 else "cpu"
    print(f"decode settings: {chosen} (config/decoding/{chosen}.yaml); choose others with --decoding")
    return chosen


def choose_engine(settings: DecodingEntry, engine: EngineChoice) -> DecodingEntry:
    """Return the settings with the engine that was asked for, or that suits this machine, and say so."""
    if engine is EngineChoice.AUTO:
        suits = settings.device == "cuda" and find_spec("vllm")
        engine = EngineChoice.VLLM if suits else EngineChoice.TRANSFORMERS
    print(f"engine: {engine}")
    return settings if settings.engine == engine else settings.with_engine(engine)


def load_sets(prompt: PromptEntry, names: set[str], asked_by: str) -> list[pa.Table]:
    """Load the sets of examples that a prompt shows, none for a zero-shot one."""
    if prompt.few_shot is None:
        return []
    path = entry_path(CONFIG / "examples", prompt.few_shot.examples, asked_by)
    entry = read_entry(path, ExamplesEntry)
    return [load_examples(name, entry, str(path)) for name in sorted(names)]


def role_of(checkpoint: Checkpoint, settings: DecodingEntry) -> Role:
    """Return a model's role as far as its files tell, which matters only if settings go by role."""
    if checkpoint.manifest.kind == "fetched" and settings.by_role:
        raise UserError("the decode settings go by role: say --role quick, --role slow or --role merged")
    return Role.MERGED


def decode_job(
    manifest: Path,
    questions: list[Path],
    examples: list[Path],
    example_sets: dict[str, str],
    settings: dict[str, Any],
    prompt: dict[str, Any],
    read_at: list[int],
    store: Path,
    out: Path,
    gpus: int,
    scratch: Path | None,
) -> None:
    """Decode inside the workflow, where the checkpoint has a manifest and the benchmarks are tables of questions.

    Args:
        manifest: The checkpoint's manifest; its weights are made again if they are not there.
        questions: Parquet files with the schema QUESTIONS, one per benchmark.
        examples: Parquet files with the schema EXAMPLES, one per set that the prompt shows.
        example_sets: Benchmark → the set of examples that its questions are shown with.
        settings: Decode settings, resolved.
        prompt: The prompt's entry.
        read_at: Context lengths at which the responses are read besides.
        store: Folder of the response store.
        out: Parquet file to write, with a JSON sidecar beside it.
        gpus: How many Snakemake granted.
        scratch: Folder for merged weights that are not kept; None: they are.
    """
    decode(
        Checkpoint.from_manifest(manifest),
        [read_table(path, QUESTIONS) for path in questions],
        [read_table(path, EXAMPLES) for path in examples],
        example_sets,
        validate(DecodingEntry, settings, "decode settings of this job"),
        validate(PromptEntry, prompt, "prompt of this job"),
        store,
        out,
        gpus,
        scratch,
        read_at,
    )


def decode(
    checkpoint: Checkpoint,
    questions: list[pa.Table],
    examples: list[pa.Table],
    example_sets: dict[str, str],
    settings: DecodingEntry,
    prompt: PromptEntry,
    store: Path,
    out: Path,
    granted: int | None = None,
    scratch: Path | None = None,
    read_at: Sequence[int] = (),
) -> None:
    """Decode the tables' questions with a checkpoint and write responses and sidecar."""
    started = time.monotonic()
    model = read_model(checkpoint.config_files(), settings)
    stops = Stops.of(model.tokenizer, model.stop_ids, prompt.stop)
    settings = complete(settings, checkpoint, model)
    numeric = numeric_settings(settings, engine_identity(settings), model.context_length, stops)
    responses = ResponseStore(store, checkpoint.manifest.content_id, numeric)
    sets = sets_of(examples)
    rendered = Prompt(prompt, model.tokenizer, {name: sets[shown] for name, shown in example_sets.items()})

    with ExitStack() as loan:

        def start() -> Any:
            return start_engine(loan.enter_context(checkpoint.lent(scratch)), settings, stops, granted)

        session = Session(model.context_length, settings, rendered, stops, responses, start, read_at)
        table = session.run([questions_of(table) for table in questions])
    sidecar = {
        "content_id": checkpoint.manifest.content_id,
        "settings": numeric,
        "prompt": prompt.model_dump(mode="json"),
        "example_sets": example_sets,
        "tokenizer": checkpoint_tokenizer(checkpoint),
        "seconds": round(time.monotonic() - started, 3),
        **session.facts,
    }
    write_text(out.with_suffix(".json"), pretty_json(sidecar))
    write_table(table, out)
    print(f"{out}: {len(table)} responses")


def complete(settings: DecodingEntry, checkpoint: Checkpoint, model: Model) -> DecodingEntry:
    """Return the settings with the model's context length and, by hand, a number of devices that suits its size."""
    files = checkpoint.manifest.files
    size = sum(record.bytes for name, record in files.items() if name.endswith(".safetensors"))
    heads = read_json(checkpoint.config_files() / "config.json").get("num_attention_heads")
    return settings.model_copy(update={"context_length": model.context_length}).for_checkpoint(size, heads)


def engine_identity(settings: DecodingEntry) -> dict[str, str]:
    """Return the versions of the engine's packages and the digests of its modules.

    Raises:
        UserError: The engine is not installed.
    """
    code = {"code": settings.engine_module, "stopping": "l2s.decoding.stopping"}
    identity = {part: module_digest(module) for part, module in code.items()}
    distributions = packages_distributions()  # vLLM's build for CPUs is distributed under another name
    for package in ENGINE_PACKAGES[settings.engine]:
        if package not in distributions:
            raise UserError(
                f"engine '{settings.engine}': the package {package} is not installed here; 'make setup-cuda' installs "
                "vLLM for GPUs, 'make setup-vllm' for CPUs, each into an environment of its own"
            )
        identity[package] = version(distributions[package][0])
    return identity


def start_engine(folder: Path, settings: DecodingEntry, stops: Stops, granted: int | None) -> Any:
    """Start the engine that the settings name, on the weights in a folder and on GPUs of its own."""
    if settings.gpus:
        lease(settings.gpus, granted)
    return importlib.import_module(settings.engine_module).start(folder, settings, stops)


def checkpoint_tokenizer(checkpoint: Checkpoint) -> dict[str, str]:
    """Return what pins the tokenizer that renders: the sha256 of each of its files in the checkpoint."""
    files = checkpoint.manifest.files
    return {name: files[name].sha256 for name in TOKENIZER_NAMES if name in files}


def questions_of(table: pa.Table) -> list[Question]:
    """Return a benchmark's questions from its table."""
    return [Question(row["benchmark"], row["question_id"], row["question"]) for row in table.to_pylist()]


def sets_of(tables: list[pa.Table]) -> dict[str, list[Example]]:
    """Return sets of examples by name from their tables."""
    sets: dict[str, list[Example]] = {}
    for row in (row for table in tables for row in table.to_pylist()):
        sets.setdefault(row["set"], []).append(Example(row["question"], row["answer"]))
    return sets


# A worker process of vLLM imports this file again, as __mp_main__.
if "snakemake" in globals() and __name__ == "__main__":
    run_job(
        decode_job,
        snakemake,
        manifest=Path(snakemake.input.manifest),
        questions=[Path(path) for path in snakemake.input.questions],
        examples=[Path(path) for path in snakemake.input.examples],
        settings=snakemake.params.settings,
        example_sets=snakemake.params.example_sets,
        prompt=snakemake.params.prompt,
        read_at=snakemake.params.read_at,
        store=Path(snakemake.params.store),
        out=Path(snakemake.output.responses),
        gpus=snakemake.resources.gpu,
        scratch=None if snakemake.config["keep_checkpoints"] else Path(snakemake.config["scratch"]),
    )
elif __name__ == "__main__":
    run_cli(main)
