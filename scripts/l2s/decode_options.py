"""What decode.py and decode_ahead.py have in common on the command line. Only scripts import this module."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import typer

from l2s.checkpoints.weights import Checkpoint
from l2s.config import Named, NamedPath, entry_of_rule, entry_option, named_path_option
from l2s.contracts.examples import EXAMPLES
from l2s.contracts.parquet import read_table
from l2s.decoding.engines.choice import EngineChoice, choose_engine, choose_settings
from l2s.decoding.run import Task, prepare, role_of
from l2s.decoding.settings import DecodingEntry, PromptEntry, Role
from l2s.errors import UserError
from l2s.sources.benchmarks import BenchmarkEntry, find_questions
from l2s.sources.examples import ExamplesEntry, load_examples

BENCHMARK = typer.Option(
    metavar="ENTRY",
    help="Entry of config/benchmarks, YAML file, or Parquet file of load_questions.py; may be repeated.",
)
DECODING = typer.Option(
    parser=entry_option("decoding", DecodingEntry, "--decoding"),
    metavar="ENTRY",
    help="Decode settings: entry of config/decoding or YAML file. Default: paper on a GPU, else cpu.",
)
ENGINE = typer.Option(
    help="In place of the engine that the decode settings name, with its default options. auto: vllm if it is "
    "installed and the device is cuda, else transformers. Default: the settings' own; auto without --decoding."
)
ROLE = typer.Option(help="What the model is, where settings go by role. Default: merged, if it is.")
PROMPT = typer.Option(
    parser=entry_option("prompts", PromptEntry, "--prompt"),
    metavar="ENTRY",
    help="Prompt: entry of config/prompts or YAML file. Default: the one that the decode settings name.",
)
SHOWN = typer.Option(
    parser=named_path_option("--examples", "gsm8k=examples.parquet"),
    metavar="BENCHMARK=PATH",
    help="What a few-shot prompt shows before a benchmark's questions: Parquet file of load_examples.py. "
    "Default: the set that the prompt or the benchmark names is loaded.",
)
FIRST = typer.Option(min=1, help="Ask only so many questions of each benchmark. Default: all.")
SCRATCH = typer.Option(help="Folder for merged weights that are made for this run only. Default: they are kept.")
GPUS = typer.Option(help="GPUs that were granted; fewer than needed is an error. Default: any number.")


def tasks_of(
    models: list[str],
    benchmarks: list[str],
    decoding: Named[DecodingEntry] | None,
    engine: EngineChoice | None,
    role: Role | None,
    prompt: Named[PromptEntry] | None,
    examples: list[NamedPath] | None,
    first: int | None,
    store: Path,
) -> list[Task]:
    """Return what the options ask for, a task for each model; the first one's role and method choose the settings."""
    checkpoints = list(map(Checkpoint.find, models))
    decoding = _settings_for(checkpoints[0], decoding, engine, role)
    prompt = prompt or entry_option("prompts", PromptEntry, f"decode settings {decoding.name}")(decoding.entry.prompt)
    shown = _shown_before(benchmarks, prompt, examples)
    questions = [find_questions(given, "--benchmark").slice(0, first) for given in benchmarks]
    return [prepare(one, questions, shown, decoding.entry, prompt.entry, store) for one in checkpoints]


def of_rule(job: Any) -> dict[str, Any]:
    """Return the options that a Snakemake job of either rule passes."""
    decoding = entry_of_rule("decoding", DecodingEntry, job.wildcards.decoding, job.params.settings)
    files = {Path(path).stem: Path(path) for path in job.input.examples}
    return {
        "benchmark": job.input.questions,
        "decoding": decoding,
        "prompt": entry_of_rule("prompts", PromptEntry, decoding.entry.prompt, job.params.prompt),
        "examples": [NamedPath(name, files[shown]) for name, shown in job.params.example_sets.items()],
        "store": Path(job.params.store),
        "scratch": None if job.config["keep_checkpoints"] else Path(job.config["scratch"]),
        "gpus": job.resources.gpu,
    }


def _settings_for(
    checkpoint: Checkpoint, decoding: Named[DecodingEntry] | None, engine: EngineChoice | None, role: Role | None
) -> Named[DecodingEntry]:
    """Return the settings that a checkpoint is decoded with, complete for its role."""
    if decoding is None:
        decoding = entry_option("decoding", DecodingEntry, "--decoding")(choose_settings())
        engine = engine or EngineChoice.AUTO
    settings = decoding.entry if engine is None else choose_engine(decoding.entry, engine)
    made_by = (checkpoint.manifest.recipe or {}).get("method")
    return replace(decoding, entry=settings.for_roles([role or role_of(checkpoint, settings)], made_by))


def _shown_before(
    benchmarks: list[str], prompt: Named[PromptEntry], examples: list[NamedPath] | None
) -> dict[str, pa.Table]:
    """Return the examples that a few-shot prompt shows each benchmark, by its name; loaded if none are given."""
    if examples is not None:
        return {name: read_table(path, EXAMPLES) for name, path in examples}
    few_shot, sets = prompt.entry.few_shot, {}
    if few_shot is None:
        return {}
    for given in benchmarks:
        if Path(given).suffix == ".parquet":
            raise UserError(f"--benchmark {given}: the prompt shows examples: give --examples BENCHMARK=PATH as well")
        found = entry_option("benchmarks", BenchmarkEntry, "--benchmark")(given)
        sets[found.name] = prompt.entry.set_for(found.entry.examples, found.where)
    source = entry_option("examples", ExamplesEntry, prompt.where)(few_shot.examples)
    tables = {name: load_examples(name, source.entry, source.where) for name in sorted(set(sets.values()))}
    return {benchmark: tables[name] for benchmark, name in sets.items()}
