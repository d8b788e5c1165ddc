"""Decode benchmarks with a checkpoint: the rule decode, and a command line of its own.

python scripts/decode.py --model DIR --benchmark gsm8k --out responses.parquet
"""

from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from l2s.checkpoints.weights import Checkpoint
from l2s.config import Named, NamedPath, entry_of_rule, entry_option, named_path_option
from l2s.contracts.examples import EXAMPLES
from l2s.contracts.parquet import read_table
from l2s.decoding.engines.choice import EngineChoice, choose_engine, choose_settings
from l2s.decoding.run import decode, role_of
from l2s.decoding.settings import DecodingEntry, PromptEntry, Role
from l2s.errors import UserError
from l2s.jobs import run_cli, run_job
from l2s.sources.benchmarks import BenchmarkEntry, find_questions
from l2s.sources.examples import ExamplesEntry, load_examples
from l2s.steps import register_steps


def main(
    model: Annotated[
        str, typer.Option(help="Folder of a model or checkpoint, its manifest.json, or owner/name@<40-digit commit>.")
    ],
    benchmark: Annotated[
        list[str],
        typer.Option(
            metavar="ENTRY",
            help="Entry of config/benchmarks, YAML file, or Parquet file of load_questions.py; may be repeated.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Parquet file of the responses; a JSON sidecar is written beside it.")],
    decoding: Annotated[
        Named[DecodingEntry] | None,
        typer.Option(
            parser=entry_option("decoding", DecodingEntry, "--decoding"),
            metavar="ENTRY",
            help="Decode settings: entry of config/decoding or YAML file. Default: paper on a GPU, else cpu.",
        ),
    ] = None,
    engine: Annotated[
        EngineChoice | None,
        typer.Option(
            help="In place of the engine that the decode settings name, with its default options. auto: vllm if it is "
            "installed and the device is cuda, else transformers. Default: the settings' own; auto without --decoding."
        ),
    ] = None,
    role: Annotated[
        Role | None, typer.Option(help="What the model is, where settings go by role. Default: merged, if it is.")
    ] = None,
    prompt: Annotated[
        Named[PromptEntry] | None,
        typer.Option(
            parser=entry_option("prompts", PromptEntry, "--prompt"),
            metavar="ENTRY",
            help="Prompt: entry of config/prompts or YAML file. Default: the one that the decode settings name.",
        ),
    ] = None,
    examples: Annotated[
        list[NamedPath] | None,
        typer.Option(
            parser=named_path_option("--examples", "gsm8k=examples.parquet"),
            metavar="BENCHMARK=PATH",
            help="What a few-shot prompt shows before a benchmark's questions: Parquet file of load_examples.py. "
            "Default: the set that the prompt or the benchmark names is loaded.",
        ),
    ] = None,
    read_at: Annotated[
        list[int] | None,
        typer.Option(
            help="Context length in tokens at which the responses are read besides, cut and without decoding; may be "
            "repeated. Default: none."
        ),
    ] = None,
    budget: Annotated[
        list[int] | None,
        typer.Option(
            help="Number of generated tokens after which the responses are cut besides, without decoding; may be "
            "repeated. Default: none."
        ),
    ] = None,
    first: Annotated[
        int | None, typer.Option(min=1, help="Ask only so many questions of each benchmark. Default: all.")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Folder that keeps responses between runs. Default: OUT with .store added.")
    ] = None,
    scratch: Annotated[
        Path | None,
        typer.Option(help="Folder for merged weights that are made for this run only. Default: they are kept."),
    ] = None,
    gpus: Annotated[
        int | None, typer.Option(help="GPUs that were granted; fewer than needed is an error. Default: any number.")
    ] = None,
) -> None:
    """Decode every question of the benchmarks with a model."""
    if out.suffix != ".parquet":
        raise UserError(f"{out}: --out must end in .parquet; a sidecar that ends in .json is written beside it")
    if decoding is None:
        decoding = entry_option("decoding", DecodingEntry, "--decoding")(choose_settings())
        engine = engine or EngineChoice.AUTO
    settings = decoding.entry if engine is None else choose_engine(decoding.entry, engine)
    checkpoint = Checkpoint.find(model)
    made_by = (checkpoint.manifest.recipe or {}).get("method")
    settings = settings.for_roles([role or role_of(checkpoint, settings)], made_by)
    prompt = prompt or entry_option("prompts", PromptEntry, f"decode settings {decoding.name}")(settings.prompt)
    if examples is None:
        shown = load_shown(benchmark, prompt)
    else:
        shown = {name: read_table(path, EXAMPLES) for name, path in examples}
    questions = [find_questions(given, "--benchmark").slice(0, first) for given in benchmark]
    store = store or out.with_name(f"{out.name}.store")
    readings = {"read_at": read_at or (), "budgets": budget or ()}
    decode(checkpoint, questions, shown, settings, prompt.entry, store, out, gpus, scratch, **readings)


def load_shown(benchmarks: list[str], prompt: Named[PromptEntry]) -> dict[str, pa.Table]:
    """Load the examples that a few-shot prompt shows each benchmark, by its name."""
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


register_steps()

# A worker process of vLLM imports this file again, as __mp_main__.
if "snakemake" in globals() and __name__ == "__main__":
    values = {**snakemake.params.settings, "replicas": snakemake.resources.replicas}
    settings = entry_of_rule("decoding", DecodingEntry, snakemake.wildcards.decoding, values)
    files = {Path(path).stem: Path(path) for path in snakemake.input.examples}
    run_job(
        main,
        snakemake,
        model=snakemake.input.manifest,
        benchmark=snakemake.input.questions,
        out=Path(snakemake.output.responses),
        decoding=settings,
        prompt=entry_of_rule("prompts", PromptEntry, settings.entry.prompt, snakemake.params.prompt),
        examples=[NamedPath(name, files[shown]) for name, shown in snakemake.params.example_sets.items()],
        read_at=snakemake.params.read_at,
        budget=snakemake.params.budgets,
        store=Path(snakemake.params.store),
        scratch=None if snakemake.config["keep_checkpoints"] else Path(snakemake.config["scratch"]),
        gpus=snakemake.resources.gpu,
    )
elif __name__ == "__main__":
    run_cli(main)
