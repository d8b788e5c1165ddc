"""Draw what a merge did to each layer: the rule draw_merge, and a command line of its own.

python scripts/draw_merge.py --checkpoint merged --out merged/statistics
"""

from pathlib import Path
from typing import Annotated

import typer

from l2s.analysis.charts import save_chart
from l2s.analysis.merge_figure import chart
from l2s.contracts.merge_statistics import MERGE_STATISTICS, STATISTICS_NAME
from l2s.contracts.parquet import read_table
from l2s.jobs import run_cli, run_job


def main(
    checkpoint: Annotated[Path, typer.Option(help="Folder of a merged checkpoint.")],
    out: Annotated[Path, typer.Option(help="Path of the outputs, without suffix.")],
    title: Annotated[str | None, typer.Option(help="Title of the figure. Default: the folder's name.")] = None,
) -> None:
    """Draw the statistics of a merge per decoder layer, as interactive HTML, SVG and PNG."""
    statistics = read_table(checkpoint / STATISTICS_NAME, MERGE_STATISTICS)
    save_chart(chart(statistics, title or checkpoint.name), out)
    print(f"{out}.html, .svg, .png")


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        checkpoint=Path(snakemake.input.manifest).parent,
        out=Path(snakemake.output.html.removesuffix(".html")),
        title=snakemake.params.title,
    )
elif __name__ == "__main__":
    run_cli(main)
