"""Load a benchmark's questions: the benchmark rule's script, and a command line of its own.

python scripts/load_questions.py --entry config/benchmarks/gsm8k.yaml --out gsm8k.parquet
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from l2s.config import read_values, validate
from l2s.contracts.parquet import write_table
from l2s.jobs import run_cli, run_job
from l2s.sources.benchmarks import BenchmarkEntry, load_questions


def main(
    entry: Annotated[Path, typer.Option(help="YAML file of the benchmark.")],
    out: Annotated[Path, typer.Option(help="Parquet file of the questions.")],
) -> None:
    """Read a benchmark's rows, normalise them, check their number and sha256, and write them as Parquet."""
    write_questions(entry.stem, read_values(entry), str(entry), out)


def write_questions(name: str, entry: dict[str, Any], entry_file: str, out: Path) -> None:
    """Write the questions of the benchmark ``name``, given its entry's values and what errors call the entry."""
    table = load_questions(name, validate(BenchmarkEntry, entry, entry_file), entry_file)
    write_table(table, out)
    print(f"{out}: {len(table)} questions")


if "snakemake" in globals():
    run_job(
        write_questions,
        snakemake,
        name=snakemake.wildcards.benchmark,
        entry=snakemake.params.entry,
        entry_file=f"config/benchmarks/{snakemake.wildcards.benchmark}.yaml",
        out=Path(snakemake.output.questions),
    )
elif __name__ == "__main__":
    run_cli(main)
