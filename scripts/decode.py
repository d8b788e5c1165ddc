"""Decode benchmarks with a checkpoint: the rule decode, and a command line of its own.

python scripts/decode.py --model DIR --benchmark gsm8k --out responses.parquet
"""

from pathlib import Path
from typing import Annotated

import typer

from l2s import decode_options as options
from l2s.config import Named, NamedPath
from l2s.decoding.engines.choice import EngineChoice
from l2s.decoding.run import decode
from l2s.decoding.settings import DecodingEntry, PromptEntry, Role
from l2s.errors import UserError
from l2s.jobs import run_cli, run_job
from l2s.steps import register_steps


def main(
    model: Annotated[
        str, typer.Option(help="Folder of a model or checkpoint, its manifest.json, or owner/name@<40-digit commit>.")
    ],
    benchmark: Annotated[list[str], options.BENCHMARK],
    out: Annotated[Path, typer.Option(help="Parquet file of the responses; a JSON sidecar is written beside it.")],
    decoding: Annotated[Named[DecodingEntry] | None, options.DECODING] = None,
    engine: Annotated[EngineChoice | None, options.ENGINE] = None,
    role: Annotated[Role | None, options.ROLE] = None,
    prompt: Annotated[Named[PromptEntry] | None, options.PROMPT] = None,
    examples: Annotated[list[NamedPath] | None, options.SHOWN] = None,
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
    first: Annotated[int | None, options.FIRST] = None,
    store: Annotated[
        Path | None, typer.Option(help="Folder that keeps responses between runs. Default: OUT with .store added.")
    ] = None,
    ahead: Annotated[
        list[Path] | None,
        typer.Option(
            help="JSON file of decode_ahead.py, which decoded into the store before: its numbers go into the sidecar; "
            "may be repeated. Default: none."
        ),
    ] = None,
    scratch: Annotated[Path | None, options.SCRATCH] = None,
    gpus: Annotated[int | None, options.GPUS] = None,
) -> None:
    """Decode every question of the benchmarks with a model."""
    if out.suffix != ".parquet":
        raise UserError(f"{out}: --out must end in .parquet; a sidecar that ends in .json is written beside it")
    store = store or out.with_name(f"{out.name}.store")
    (task,) = options.tasks_of([model], benchmark, decoding, engine, role, prompt, examples, first, store)
    decode(task, out, gpus, scratch, read_at or (), budget or (), ahead or ())


register_steps()

# A worker process of vLLM imports this file again, as __mp_main__.
if "snakemake" in globals() and __name__ == "__main__":
    run_job(
        main,
        snakemake,
        model=snakemake.input.manifest,
        out=Path(snakemake.output.responses),
        read_at=snakemake.params.read_at,
        budget=snakemake.params.budgets,
        ahead=list(map(Path, snakemake.input.ahead)),
        **options.of_rule(snakemake),
    )
elif __name__ == "__main__":
    run_cli(main)
