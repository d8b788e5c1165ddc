"""Write a checkpoint's responses as a script that pages load: the rule shard_responses, and a command line of its own.

    python scripts/shard_responses.py --responses responses.parquet --grades math_verify.parquet --grader math_verify \\
        --questions questions.parquet --out shard.js
"""

from pathlib import Path
from typing import Annotated

import typer

from l2s.contracts.grades import GRADES
from l2s.contracts.parquet import read_table
from l2s.contracts.questions import QUESTIONS
from l2s.contracts.responses import RESPONSES
from l2s.errors import UserError
from l2s.jobs import run_cli, run_job
from l2s.pages.shards import write_shard

COLUMNS = [name for name in RESPONSES.names if name != "output_ids"]  # token ids are most of a file


def main(
    responses: Annotated[Path, typer.Option(help="Parquet file of the responses.")],
    grades: Annotated[list[Path], typer.Option(help="Parquet files of their grades, by each grader.")],
    grader: Annotated[list[str], typer.Option(help="Names of the graders, in the order of the files.")],
    questions: Annotated[list[Path], typer.Option(help="Parquet files of the questions.")],
    out: Annotated[Path, typer.Option(help="The script.")],
) -> None:
    """Write responses, grades and key points of one checkpoint, compressed."""
    if len(grades) != len(grader):
        raise UserError(f"--grades: give a file for each of {len(grader)} graders (found {len(grades)})")
    graded = {one: read_table(path, GRADES) for one, path in zip(grader, grades, strict=True)}
    asked = [read_table(path, QUESTIONS) for path in questions]
    write_shard(read_table(responses, RESPONSES, COLUMNS), graded, asked, out)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        responses=Path(snakemake.input.responses),
        grades=[Path(path) for path in snakemake.input.grades],
        grader=snakemake.params.graders,
        questions=[Path(path) for path in snakemake.input.questions],
        out=Path(snakemake.output.shard),
    )
elif __name__ == "__main__":
    run_cli(main)
