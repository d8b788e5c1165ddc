"""Load a benchmark's questions: the rule load_questions, and a command line of its own.

python scripts/load_questions.py --entry gsm8k --out gsm8k.parquet
"""

from pathlib import Path
from typing import Annotated

import typer

from l2s.config import Named, entry_of_rule, entry_option
from l2s.contracts.parquet import write_table
from l2s.jobs import run_cli, run_job
from l2s.sources.benchmarks import BenchmarkEntry, load_questions


def main(
    entry: Annotated[
        Named[BenchmarkEntry],
        typer.Option(
            parser=entry_option("benchmarks", BenchmarkEntry, "--entry"),
            metavar="ENTRY",
            help="The benchmark: name of an entry of config/benchmarks, or a YAML file.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Parquet file of the questions.")],
) -> None:
    """Read a benchmark's rows, normalise them, check their number and sha256, and write them as Parquet."""
    table = load_questions(entry.name, entry.entry, entry.where)
    write_table(table, out)
    print(f"{out}: {len(table)} questions")


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        entry=entry_of_rule("benchmarks", BenchmarkEntry, snakemake.wildcards.benchmark, snakemake.params.entry),
        out=Path(snakemake.output.questions),
    )
elif __name__ == "__main__":
    run_cli(main)
