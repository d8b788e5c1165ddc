"""Print a study's table in the terminal, and where its files lie.

python scripts/show.py --study demo --results results/demo
"""

from glob import glob
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from l2s.analysis.render_table import display_frame
from l2s.contracts.comparisons import COMPARISONS
from l2s.contracts.parquet import read_metadata, read_table
from l2s.contracts.table import TABLE
from l2s.jobs import run_cli
from l2s.layout import Layout

NARROWEST = 150
LEFT = ("Pair", "Model", "Benchmark")


def main(
    study: Annotated[str, typer.Option(help="Name of the study.")],
    results: Annotated[Path, typer.Option(help="Results folder.")],
) -> None:
    """Print a study's table."""
    layout = Layout(str(results))
    path = Path(layout.table(study))
    compared = read_table(Path(layout.comparisons(study)), COMPARISONS)
    shown, said = display_frame(read_table(path, TABLE), compared), read_metadata(path)
    table = Table(
        title=escape(said["title"]),
        caption=escape(said["note"]),
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1),
    )
    for column in shown.columns:
        table.add_column(column, justify="left" if column in LEFT else "right", no_wrap=column != "Model")
    for row in shown.itertuples(index=False):
        table.add_row(*map(escape, row))
    # Narrower, the table's cells would break; a file or a pipe has no width of its own.
    console = Console(width=max(Console().width, NARROWEST))
    console.print(table)
    console.print(f"\nTable:  {path.with_suffix('')}.md, .html, .tex, .csv, .parquet", highlight=False, soft_wrap=True)
    for figure in sorted(glob(layout.figure(study, "*"))):
        console.print(f"Figure: {figure}, .svg, .png", highlight=False, soft_wrap=True)
    index = Path(layout.index)
    if index.is_file():
        console.print(f"\nOpen in a browser: {index.resolve()}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    run_cli(main)
