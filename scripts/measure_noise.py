"""Compare repeated decoding: the rule measure_noise, and a command line of its own.

    python scripts/measure_noise.py --responses first.parquet --grades first-grades.parquet \\
        --responses again.parquet --grades again-grades.parquet --out noise
"""

from pathlib import Path
from typing import Annotated

import typer

from l2s.analysis.noise import compare, display_frame
from l2s.analysis.render_table import write_markdown
from l2s.contracts.grades import GRADES
from l2s.contracts.parquet import read_table, write_table
from l2s.contracts.responses import RESPONSES
from l2s.errors import UserError
from l2s.jobs import run_cli, run_job

NOTE = (
    "The same prompts, decoded again with settings that should not matter. Changed: responses with other tokens; other "
    "grade: correct in one, not in the other; differences are of the repetition against the first."
)


def main(
    responses: Annotated[list[Path], typer.Option(help="Parquet files of responses: the first and its repetitions.")],
    grades: Annotated[list[Path], typer.Option(help="Parquet files of their grades, in the same order.")],
    out: Annotated[Path, typer.Option(help="Path of the outputs, without suffix.")],
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(help="Name of the checkpoint of each file, in the same order. Default: one checkpoint for all."),
    ] = None,
    decoding: Annotated[
        list[str] | None,
        typer.Option(help="Name of each file's decode settings, in the same order. Default: the file's name."),
    ] = None,
    benchmark: Annotated[list[str] | None, typer.Option(help="Benchmarks to look at. Default: all.")] = None,
    title: Annotated[str, typer.Option(help="Title of the table.")] = "Noise of decoding",
) -> None:
    """Count what changed between responses of one checkpoint that were decoded with different settings."""
    checkpoints = checkpoint or ["checkpoint"] * len(responses)
    settings = decoding or [path.stem for path in responses]
    for option, given in (("--grades", grades), ("--checkpoint", checkpoints), ("--decoding", settings)):
        if len(given) != len(responses):
            raise UserError(f"{option}: give one for each of the {len(responses)} --responses (found {len(given)})")
    pairs = list(zip(checkpoints, settings, strict=True))
    if len(set(pairs)) < 2 or len(set(pairs)) < len(pairs):
        raise UserError("--responses: give at least two files with different names")
    tables = zip(responses, grades, strict=True)
    read = [(read_table(answered, RESPONSES), read_table(graded, GRADES)) for answered, graded in tables]
    noise = compare(dict(zip(pairs, read, strict=True)), benchmark)
    shown = [display_frame(noise)]
    write_table(noise, out.with_name(f"{out.name}.parquet"), {"title": title, "note": NOTE})
    write_markdown(shown, title, NOTE, out.with_name(f"{out.name}.md"))
    print(f"{out}: {len(noise)} lines")


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        responses=[Path(path) for path in snakemake.input.responses],
        grades=[Path(path) for path in snakemake.input.grades],
        out=Path(snakemake.output.table.removesuffix(".parquet")),
        checkpoint=[checkpoint for checkpoint, _ in snakemake.params.pairs],
        decoding=[decoding for _, decoding in snakemake.params.pairs],
        benchmark=snakemake.params.benchmarks,
        title=snakemake.params.title,
    )
elif __name__ == "__main__":
    run_cli(main)
