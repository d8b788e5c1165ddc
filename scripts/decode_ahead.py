"""Decode into the response store, for decode.py to find there: the rule decode_ahead, and a command line of its own.

Several of these can share a checkpoint's questions, on as many machines; one can decode several checkpoints of a shape
with one engine:

python scripts/decode_ahead.py --model DIR --benchmark gsm8k --share 1-of-2 --store STORE --out 1-of-2.json
"""

from pathlib import Path
from typing import Annotated

import typer

from l2s import decode_options as options
from l2s.config import Named, NamedPath
from l2s.decoding.engines.choice import EngineChoice
from l2s.decoding.run import decode_ahead
from l2s.decoding.settings import DecodingEntry, PromptEntry, Role
from l2s.decoding.share import Share
from l2s.jobs import run_cli, run_job
from l2s.steps import register_steps


def main(
    model: Annotated[
        list[str],
        typer.Option(
            help="Folder of a model or checkpoint, its manifest.json, or owner/name@<40-digit commit>; may be repeated "
            "for checkpoints of one shape and role."
        ),
    ],
    benchmark: Annotated[list[str], options.BENCHMARK],
    store: Annotated[Path, typer.Option(help="Folder that keeps the responses: decode.py's --store.")],
    out: Annotated[Path, typer.Option(help="JSON file that says what was done: decode.py's --ahead.")],
    share: Annotated[
        str, typer.Option(help="Which of the questions, e.g. 2-of-4: the second of four shares. Default: all.")
    ] = "1-of-1",
    decoding: Annotated[Named[DecodingEntry] | None, options.DECODING] = None,
    engine: Annotated[EngineChoice | None, options.ENGINE] = None,
    role: Annotated[Role | None, options.ROLE] = None,
    prompt: Annotated[Named[PromptEntry] | None, options.PROMPT] = None,
    examples: Annotated[list[NamedPath] | None, options.SHOWN] = None,
    first: Annotated[int | None, options.FIRST] = None,
    scratch: Annotated[Path | None, options.SCRATCH] = None,
    gpus: Annotated[int | None, options.GPUS] = None,
) -> None:
    """Decode questions of the benchmarks, or a share of them, into the response store."""
    part = Share.parse(share)
    tasks = options.tasks_of(model, benchmark, decoding, engine, role, prompt, examples, first, store)
    decode_ahead(tasks, out, part, gpus, scratch)


register_steps()

# A worker process of vLLM imports this file again, as __mp_main__.
if "snakemake" in globals() and __name__ == "__main__":
    run_job(
        main,
        snakemake,
        model=snakemake.input.manifests,
        out=Path(snakemake.output.done),
        share=snakemake.wildcards.share,
        **options.of_rule(snakemake),
    )
elif __name__ == "__main__":
    run_cli(main)
