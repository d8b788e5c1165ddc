"""Load a set of examples: the examples rule's script, and a command line of its own.

python scripts/load_examples.py --entry config/examples/qwen25-math.yaml --set gsm8k --out gsm8k.parquet
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from l2s.config import read_values, validate
from l2s.contracts.parquet import write_table
from l2s.jobs import run_cli, run_job
from l2s.sources.examples import ExamplesEntry, load_examples


def main(
    entry: Annotated[Path, typer.Option(help="YAML file of the source.")],
    name: Annotated[str, typer.Option("--set", help="Name of the set.")],
    out: Annotated[Path, typer.Option(help="Parquet file of the examples.")],
) -> None:
    """Read a set of examples, check its sha256, and write it as Parquet."""
    write_examples(name, read_values(entry), str(entry), out)


def write_examples(name: str, entry: dict[str, Any], entry_file: str, out: Path) -> None:
    """Write the examples of the set ``name``, given its entry's values and what errors call the entry."""
    table = load_examples(name, validate(ExamplesEntry, entry, entry_file), entry_file)
    write_table(table, out)
    print(f"{out}: {len(table)} examples")


if "snakemake" in globals():
    run_job(
        write_examples,
        snakemake,
        name=snakemake.wildcards.set_name,
        entry=snakemake.params.entry,
        entry_file=f"config/examples/{snakemake.wildcards.examples}.yaml",
        out=Path(snakemake.output.examples),
    )
elif __name__ == "__main__":
    run_cli(main)
