"""Take the questions that a round of a search asks: the rule split_questions, and a command line of its own.

python scripts/split_questions.py --questions gsm8k.parquet --round report --out gsm8k-report.parquet
"""

from pathlib import Path
from typing import Annotated

import typer

from l2s.contracts.parquet import read_table, write_table
from l2s.contracts.questions import QUESTIONS
from l2s.jobs import run_cli, run_job
from l2s.search.split import part_of


def main(
    questions: Annotated[Path, typer.Option(help="Parquet file of a benchmark's questions.")],
    round_name: Annotated[
        str,
        typer.Option("--round", help="The round: report, or any other name, which takes the questions of selection."),
    ],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
    seed: Annotated[int, typer.Option(help="Of the split.")] = 0,
    report_share: Annotated[float, typer.Option(min=0, max=1, help="Share that is for the report.")] = 0.5,
    count: Annotated[
        int | None, typer.Option(min=1, help="Questions of a round of selection, at most. Default: all.")
    ] = None,
) -> None:
    """Take the questions that a round of a search asks; none is both for selection and for the report."""
    part = part_of(read_table(questions, QUESTIONS), seed, report_share, round_name, count)
    write_table(part, out)
    print(f"{out}: {len(part)} questions")


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        questions=Path(snakemake.input.questions),
        round_name=snakemake.wildcards.round,
        out=Path(snakemake.output.questions),
        **snakemake.params.splitting,
    )
elif __name__ == "__main__":
    run_cli(main)
