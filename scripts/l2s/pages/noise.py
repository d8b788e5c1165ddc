"""The page of a noise study."""

from pathlib import Path

from l2s.analysis.noise import display_frame
from l2s.contracts.noise import NOISE
from l2s.contracts.parquet import read_metadata, read_table
from l2s.pages.cells import of_frame
from l2s.pages.render import render

TEMPLATE = "table.html.j2"


def write_page(table: Path, out: Path, results: Path | None = None) -> None:
    """Write the page of a noise study from its Parquet file, schema NOISE."""
    said = read_metadata(table)
    files = [table.with_suffix(f".{suffix}").name for suffix in ("md", "parquet")]
    shown = of_frame(display_frame(read_table(table, NOISE)))
    render(
        TEMPLATE,
        out,
        results=results,
        title=said["title"],
        tables=[shown],
        note=said["note"],
        files=[] if results is None else files,
    )
