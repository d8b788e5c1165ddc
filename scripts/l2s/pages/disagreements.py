"""The page of the responses on which graders differ; each leads to the response."""

from pathlib import Path

from l2s.analysis.disagreements import display_frame
from l2s.contracts.disagreements import DISAGREEMENTS
from l2s.contracts.parquet import read_metadata, read_table
from l2s.pages.cells import Group, of_frame
from l2s.pages.links import to_responses
from l2s.pages.render import render

TEMPLATE = "table.html.j2"
NOTE = "responses that one grader calls right and another does not, or on which one failed"


def write_page(table: Path, out: Path, results: Path | None = None) -> None:
    """Write the page of a study's disagreements from their Parquet file, schema DISAGREEMENTS."""
    found = read_table(table, DISAGREEMENTS)
    shown = of_frame(display_frame(found))
    question = [column.name for column in shown.columns].index("Question")
    rows = []
    for row, line in zip(shown.groups[0].rows, found.to_pylist(), strict=True):
        place = {"benchmark": line["benchmark"], "question": line["question_id"], "sample": line["sample"]}
        link = to_responses(table.stem, line["checkpoint"], **place)
        cells = [*row.cells]
        cells[question] = cells[question]._replace(link=link)
        rows.append(row._replace(cells=cells))
    render(
        TEMPLATE,
        out,
        results=results,
        title=read_metadata(table)["title"],
        tables=[shown._replace(groups=[Group(rows)])] if rows else [],
        note=f"{len(found):,} {NOTE}.",
        files=[] if results is None else [table.name],
    )
