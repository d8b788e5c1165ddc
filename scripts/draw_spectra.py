"""Draw the spectra of a task vector: the rule draw_spectra, and a command line of its own.

python scripts/draw_spectra.py --spectra spectra.parquet --out spectra --title "slow − quick"
"""

from pathlib import Path
from typing import Annotated

import typer

from l2s.analysis.spectra_figure import chart
from l2s.contracts.parquet import read_table
from l2s.contracts.spectra import SPECTRA
from l2s.jobs import run_cli, run_job
from l2s.pages.charts import write_figure


def main(
    spectra: Annotated[Path, typer.Option(help="Parquet file of scripts/measure_spectra.py.")],
    out: Annotated[Path, typer.Option(help="Path of the outputs, without suffix.")],
    title: Annotated[str | None, typer.Option(help="Title of the figure. Default: the file's name.")] = None,
    results: Annotated[
        Path | None,
        typer.Option(help="Results folder that the page belongs to. Default: none, and the page needs no other file."),
    ] = None,
) -> None:
    """Draw energy against rank and the effective ranks, as interactive HTML, SVG and PNG."""
    write_figure(chart(read_table(spectra, SPECTRA), title or spectra.stem), out, results)
    print(f"{out}.html, .svg, .png")


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        spectra=Path(snakemake.input.spectra),
        out=Path(snakemake.output.html.removesuffix(".html")),
        results=Path(snakemake.config["results"]),
        title=snakemake.params.title,
    )
elif __name__ == "__main__":
    run_cli(main)
