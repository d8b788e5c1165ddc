"""Compare repeated decoding: the measure_noise rule's script, and a command line of its own.

    python scripts/measure_noise.py --responses first.parquet --grades first-grades.parquet \\
        --responses again.parquet --grades again-grades.parquet --out noise
"""

from pathlib import Path
from typing import Annotated

import typer

from l2s.analysis.noise import compare, display_frame
from l2s.analysis.render_table import write_html, write_markdown
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
    responses: Annotated[list[Path], typer.Option(help="Responses, the first and its repetitions.")],
    grades: Annotated[list[Path], typer.Option(help="Their grades, in the same order.")],
    out: Annotated[Path, typer.Option(help="Path of the outputs without suffix.")],
) -> None:
    """Count what changed between responses of one checkpoint that were decoded with different settings."""
    pairs = [("checkpoint", path.stem) for path in responses]
    if len(set(pairs)) < 2 or len(set(pairs)) < len(pairs):
        raise UserError("--responses: give at least two files with different names")
    measure_noise(pairs, responses, grades, "Noise of decoding", out)


def measure_noise(
    pairs: list[tuple[str, str]], responses: list[Path], grades: list[Path], title: str, out: Path
) -> None:
    """Write the comparison to ``out`` with the suffixes .parquet, .md and .html.

    Args:
        pairs: (checkpoint, decode settings) of each file.
        responses: Parquet files with the schema RESPONSES.
        grades: Parquet files with the schema GRADES, in the same order.
        title: Title of the table.
        out: Path without suffix.
    """
    tables = zip(responses, grades, strict=True)
    read = [(read_table(answered, RESPONSES), read_table(graded, GRADES)) for answered, graded in tables]
    noise = compare(dict(zip(pairs, read, strict=True)))
    shown = [display_frame(noise)]
    write_table(noise, out.with_name(f"{out.name}.parquet"), {"title": title, "note": NOTE})
    write_markdown(shown, title, NOTE, out.with_name(f"{out.name}.md"))
    write_html(shown, title, NOTE, out.with_name(f"{out.name}.html"))
    print(f"{out}: {len(noise)} lines")


if "snakemake" in globals():
    run_job(
        measure_noise,
        snakemake,
        pairs=[tuple(pair) for pair in snakemake.params.pairs],
        responses=[Path(path) for path in snakemake.input.responses],
        grades=[Path(path) for path in snakemake.input.grades],
        title=snakemake.params.title,
        out=Path(snakemake.output.table.removesuffix(".parquet")),
    )
elif __name__ == "__main__":
    run_cli(main)
