"""Draw a study's figure: the rule draw_figure, and a command line of its own.

python scripts/draw_figure.py --table tables/demo.parquet --figure accuracy_length --out figures/demo
"""

import importlib
from pathlib import Path
from typing import Annotated

import typer

from l2s.analysis.charts import drawn
from l2s.analysis.figures import figure_module
from l2s.contracts.parquet import read_metadata, read_table
from l2s.contracts.responses import rows_read_at
from l2s.contracts.table import TABLE
from l2s.errors import UserError
from l2s.jobs import run_cli, run_job
from l2s.pages.charts import write_figure


def main(
    table: Annotated[Path, typer.Option(help="Parquet table of a study.")],
    figure: Annotated[str, typer.Option(help="Name of the figure: a module of scripts/l2s/analysis/figures.")],
    out: Annotated[Path, typer.Option(help="Path of the outputs, without suffix.")],
    results: Annotated[
        Path | None,
        typer.Option(help="Results folder that the page belongs to. Default: none, and the page needs no other file."),
    ] = None,
) -> None:
    """Draw a figure as interactive HTML (nothing is loaded from elsewhere), SVG and PNG."""
    module = importlib.import_module(figure_module(figure, "--figure"))
    rows = read_table(table, TABLE)
    if lacking := module.needs(drawn(rows)):
        raise UserError(f"{table}: figure '{figure}': {lacking}")
    if not getattr(module, "SHOWS_READINGS", False):
        rows = rows_read_at(rows)  # the responses as they were decoded
    title = read_metadata(table)["title"]
    study = rows["study"][0].as_py()
    write_figure(module.chart(rows, title), out, results, [(title, f"tables/{study}.html")])
    print(f"{out}.html, .svg, .png")


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        table=Path(snakemake.input.table),
        figure=snakemake.wildcards.figure,
        out=Path(snakemake.output.html.removesuffix(".html")),
        results=Path(snakemake.config["results"]),
    )
elif __name__ == "__main__":
    run_cli(main)
