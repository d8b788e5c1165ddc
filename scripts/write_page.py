"""Write the page of a study's table, of its noise or of its disagreements: the rule write_page, and a command line.

python scripts/write_page.py --kind tables --table demo.parquet --comparisons comparisons.parquet --out demo.html
"""

import importlib
from pathlib import Path
from typing import Annotated, Literal

import typer

from l2s.jobs import run_cli, run_job

Kind = Literal["tables", "noise", "disagreements"]


def main(
    kind: Annotated[Kind, typer.Option(help="What the table is.")],
    table: Annotated[Path, typer.Option(help="Parquet file.")],
    out: Annotated[Path, typer.Option(help="The page.")],
    comparisons: Annotated[
        Path | None,
        typer.Option(help="Parquet file of a study's comparisons, by which its table is marked. Default: no marks."),
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Results folder that the page belongs to. Default: none, and it leads nowhere.")
    ] = None,
) -> None:
    """Write the page of a table, in which rows lead to checkpoints and responses."""
    page = importlib.import_module(f"l2s.pages.{kind}")
    if comparisons is None:
        page.write_page(table, out, results)
    else:
        page.write_page(table, out, results, comparisons)
    print(out)


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        kind=snakemake.wildcards.kind,
        table=Path(snakemake.input.table),
        out=Path(snakemake.output.html),
        comparisons=Path(snakemake.input.comparisons) if snakemake.input.comparisons else None,
        results=Path(snakemake.config["results"]),
    )
elif __name__ == "__main__":
    run_cli(main)
