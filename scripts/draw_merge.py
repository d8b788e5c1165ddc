"""Draw what a merge did to each layer: the rule draw_merge, and a command line of its own.

python scripts/draw_merge.py --checkpoint merged --out merged/statistics
"""

import os
from pathlib import Path
from typing import Annotated

import typer

from l2s.analysis.merge_figure import chart
from l2s.contracts.merge_statistics import MERGE_STATISTICS, STATISTICS_NAME
from l2s.contracts.parquet import read_table
from l2s.jobs import run_cli, run_job
from l2s.layout import Layout
from l2s.pages.charts import write_figure


def main(
    checkpoint: Annotated[Path, typer.Option(help="Folder of a merged checkpoint.")],
    out: Annotated[Path, typer.Option(help="Path of the outputs, without suffix.")],
    title: Annotated[str | None, typer.Option(help="Title of the figure. Default: the folder's name.")] = None,
    results: Annotated[
        Path | None,
        typer.Option(help="Results folder that the page belongs to. Default: none, and the page needs no other file."),
    ] = None,
) -> None:
    """Draw the statistics of a merge per decoder layer, as interactive HTML, SVG and PNG."""
    statistics = read_table(checkpoint / STATISTICS_NAME, MERGE_STATISTICS)
    write_figure(chart(statistics, title or checkpoint.name), out, results, _trail(checkpoint, results))
    print(f"{out}.html, .svg, .png")


def _trail(checkpoint: Path, results: Path | None) -> list[tuple[str, str]]:
    """Return the page above the figure's: the checkpoint's, where there is a results folder."""
    if results is None:
        return []
    name = str(checkpoint.relative_to(Layout(str(results)).checkpoint("")))
    return [(name, os.path.relpath(Layout(str(results)).checkpoint_page(name), results))]


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        checkpoint=Path(snakemake.input.manifest).parent,
        out=Path(snakemake.output.html.removesuffix(".html")),
        results=Path(snakemake.config["results"]),
        title=snakemake.params.title,
    )
elif __name__ == "__main__":
    run_cli(main)
