"""Decode benchmarks with a checkpoint: the rule decode, and a command line of its own.

python scripts/decode.py --model DIR --benchmark gsm8k --out responses.parquet
"""

from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.compute as pc
import typer

from l2s.checkpoints.weights import Checkpoint
from l2s.config import Named, entry_of_rule, entry_option
from l2s.contracts.examples import EXAMPLES
from l2s.contracts.parquet import read_table
from l2s.decoding.engines.choice import EngineChoice, choose_engine
from l2s.decoding.run import decode
from l2s.decoding.settings import DecodingEntry, PromptEntry, Role
from l2s.errors import UserError
from l2s.jobs import run_cli, run_job
from l2s.sources.benchmarks import BenchmarkEntry, find_questions
from l2s.sources.examples import ExamplesEntry, load_examples
from l2s.steps import register_steps


def main(
    model: Annotated[
        str,
        typer.Option(help="Folder of a model or checkpoint, its manifest.json, or owner/name@<40-digit commit>."),
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
        list[Path] | None,
        typer.Option(
            metavar="<path>",
            help="Parquet file of load_examples.py; may be repeated. Default: those that the prompt shows are loaded.",
        ),
    ] = None,
    example_set: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BENCHMARK=SET",
            help="Set of examples that a benchmark's questions are shown with; may be repeated. Default: the prompt's, "
            "else the benchmark's own.",
        ),
    ] = None,
    read_at: Annotated[
        list[int] | None,
        typer.Option(
            help="Context length in tokens at which the responses are read besides, cut and without decoding; may be "
            "repeated. Default: none."
        ),
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Folder that keeps responses between runs. Default: OUT with .store added.")
    ] = None,
    scratch: Annotated[
        Path | None,
        typer.Option(help="Folder for the time of decoding, for merged weights that lack. Default: they are kept."),
    ] = None,
    gpus: Annotated[
        int | None, typer.Option(help="GPUs that were granted; fewer than needed is an error. Default: any number.")
    ] = None,
) -> None:
    """Decode every question of the benchmarks with a model."""
    if out.suffix != ".parquet":
        raise UserError(f"{out}: --out must end in .parquet; a sidecar that ends in .json is written beside it")
    if decoding is None:
        decoding, engine = choose_settings(), engine or EngineChoice.AUTO
    settings = decoding.entry if engine is None else choose_engine(decoding.entry, engine)
    checkpoint = Checkpoint.find(model)
    settings = settings.for_roles([role or role_of(checkpoint, settings)])
    prompt = prompt or entry_option("prompts", PromptEntry, f"decode settings {decoding.name}")(settings.prompt)
    found = [find_questions(given, "--benchmark") for given in benchmark]
    names = [name for table, _ in found for name in pc.unique(table["benchmark"]).to_pylist()]
    if len(set(names)) < len(names):
        raise UserError("--benchmark: one is given twice")
    sets = example_sets(names, prompt, [entry for _, entry in found if entry], example_set or [])
    shown = [read_table(path, EXAMPLES) for path in examples] if examples else load_sets(prompt, set(sets.values()))
    kept = store or out.with_name(f"{out.name}.store")
    tables = [table for table, _ in found]
    decode(checkpoint, tables, shown, sets, settings, prompt.entry, kept, out, gpus, scratch, read_at or ())


def choose_settings() -> Named[DecodingEntry]:
    """Return the decode settings for this machine, and say which."""
    import torch

    # Not torch.cuda.is_available(): it makes CUDA read CUDA_VISIBLE_DEVICES, before a lease has set it.
    chosen = "paper" if torch.cuda.device_count() > 0 else "cpu"
    print(f"decode settings: {chosen} (config/decoding/{chosen}.yaml); choose others with --decoding")
    return entry_option("decoding", DecodingEntry, "--decoding")(chosen)


def example_sets(
    benchmarks: list[str], prompt: Named[PromptEntry], entries: list[Named[BenchmarkEntry]], given: list[str]
) -> dict[str, str]:
    """Return the set of examples that each benchmark's questions are shown with; none if the prompt is zero-shot.

    Args:
        benchmarks: Names of all benchmarks.
        prompt: The prompt.
        entries: Those of the benchmarks that have one at hand; a Parquet file of questions has none.
        given: BENCHMARK=SET, in place of what entries and prompt say.
    """
    if prompt.entry.few_shot is None:
        return {}
    own = {one.name: one for one in entries}
    chosen = dict(pair.split("=", 1) for pair in given if "=" in pair)
    for name in benchmarks:
        if name not in chosen:
            where = own[name].where if name in own else f"--example-set {name}=SET is not given; config/benchmarks"
            chosen[name] = prompt.entry.set_for(own[name].entry.examples if name in own else None, where)
    return {name: chosen[name] for name in benchmarks}


def load_sets(prompt: Named[PromptEntry], names: set[str]) -> list[pa.Table]:
    """Load the sets of examples that a prompt shows, none for a zero-shot one."""
    if not names:
        return []
    found = entry_option("examples", ExamplesEntry, prompt.where)(prompt.entry.few_shot.examples)
    return [load_examples(name, found.entry, found.where) for name in sorted(names)]


def role_of(checkpoint: Checkpoint, settings: DecodingEntry) -> Role:
    """Return a model's role as far as its files tell, which matters only if settings go by role."""
    if checkpoint.manifest.kind == "fetched" and settings.by_role:
        raise UserError("the decode settings go by role: say --role quick, --role slow or --role merged")
    return Role.MERGED


register_steps()

# A worker process of vLLM imports this file again, as __mp_main__.
if "snakemake" in globals() and __name__ == "__main__":
    settings = entry_of_rule("decoding", DecodingEntry, snakemake.wildcards.decoding, snakemake.params.settings)
    run_job(
        main,
        snakemake,
        model=snakemake.input.manifest,
        benchmark=snakemake.input.questions,
        out=Path(snakemake.output.responses),
        decoding=settings,
        prompt=entry_of_rule("prompts", PromptEntry, settings.entry.prompt, snakemake.params.prompt),
        examples=[Path(path) for path in snakemake.input.examples],
        example_set=[f"{benchmark}={name}" for benchmark, name in snakemake.params.example_sets.items()],
        read_at=snakemake.params.read_at,
        store=Path(snakemake.params.store),
        scratch=None if snakemake.config["keep_checkpoints"] else Path(snakemake.config["scratch"]),
        gpus=snakemake.resources.gpu,
    )
elif __name__ == "__main__":
    run_cli(main)
