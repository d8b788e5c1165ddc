"""Load a set of few-shot examples: the rule load_examples, and a command line of its own.

python scripts/load_examples.py --entry qwen25-math --set gsm8k --out gsm8k.parquet
"""

from pathlib import Path
from typing import Annotated

import typer

from l2s.config import Named, entry_of_rule, entry_option
from l2s.contracts.parquet import write_table
from l2s.jobs import run_cli, run_job
from l2s.sources.examples import ExamplesEntry, load_examples


def main(
    entry: Annotated[
        Named[ExamplesEntry],
        typer.Option(
            parser=entry_option("examples", ExamplesEntry, "--entry"),
            metavar="ENTRY",
            help="Where examples come from: name of an entry of config/examples, or a YAML file.",
        ),
    ],
    name: Annotated[str, typer.Option("--set", help="Name of the set.")],
    out: Annotated[Path, typer.Option(help="Parquet file of the examples.")],
) -> None:
    """Read a set of examples, check its sha256, and write it as Parquet."""
    table = load_examples(name, entry.entry, entry.where)
    write_table(table, out)
    print(f"{out}: {len(table)} examples")


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        entry=entry_of_rule("examples", ExamplesEntry, snakemake.wildcards.examples, snakemake.params.entry),
        name=snakemake.wildcards.set_name,
        out=Path(snakemake.output.examples),
    )
elif __name__ == "__main__":
    run_cli(main)
