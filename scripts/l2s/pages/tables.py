"""The page of a study's table: a row for each model, which leads to the checkpoint and to its responses."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from l2s.analysis.charts import in_order
from l2s.analysis.marks import ALIKE_MARK, BEST_MARK, Marks
from l2s.analysis.render_table import display_frame
from l2s.analysis.side_tables import side_tables
from l2s.analysis.table import as_decoded, model_names, overall
from l2s.contracts.comparisons import COMPARISONS
from l2s.contracts.parquet import read_metadata, read_table
from l2s.contracts.table import MEAN, TABLE
from l2s.pages.cells import BEST, TIED, Cell, Column, Group, PageTable, Row, column_named, of_frame, sort_value
from l2s.pages.links import to_checkpoint, to_responses
from l2s.pages.render import render

TEMPLATE = "table.html.j2"
LEFT_OUT = ("Pair", "Model", "Benchmark")  # what display_frame has, and a row for each model says otherwise
MARKS = {BEST_MARK: BEST, ALIKE_MARK: TIED}


def write_page(table: Path, out: Path, results: Path | None = None, comparisons: Path | None = None) -> None:
    """Write the page of a study's table.

    Args:
        table: Parquet file, schema TABLE.
        out: The page.
        results: The results folder; None: the page leads nowhere.
        comparisons: Parquet file of the study's comparisons, schema COMPARISONS.
    """
    summary, said = read_table(table, TABLE), read_metadata(table)
    compared = COMPARISONS.empty_table() if comparisons is None else read_table(comparisons, COMPARISONS)
    shown = [study_table(summary, compared), benchmarks_table(summary, compared)]
    shown += [of_frame(frame, title) for title, frame in side_tables(summary).items()]
    files = [table.with_suffix(f".{suffix}").name for suffix in ("csv", "md", "tex", "parquet")]
    render(
        TEMPLATE,
        out,
        results=results,
        title=said["title"],
        tables=[one for one in shown if one],
        note=said["note"],
        files=[] if results is None else files,
    )


def study_table(summary: pa.Table, compared: pa.Table) -> PageTable:
    """Return the study's main table: of several benchmarks their mean.

    Args:
        summary: Schema TABLE.
        compared: Schema COMPARISONS.
    """
    lines = _lines(summary, compared)
    several = (lines["benchmark"] == MEAN).any()
    lines = lines[(lines["benchmark"] == MEAN) | (not several)]
    names = [name for name in display_frame(summary, compared).columns if name not in LEFT_OUT]
    columns = [Column("Model", number=False), Column("Responses", number=False), *map(column_named, names)]
    groups = []
    for pair, own in lines.groupby("pair", sort=False):
        rows = [
            Row([*_model(line, place), *(_cell(line[name]) for name in names)], line["first"])
            for place, line in enumerate(own.to_dict("records"))
        ]
        groups.append(Group(rows, str(pair) if lines["pair"].nunique() > 1 else ""))
    return PageTable(columns, groups, "Mean over the benchmarks" if several else "")


def benchmarks_table(summary: pa.Table, compared: pa.Table) -> PageTable | None:
    """Return accuracy and length by benchmark; None if there is one benchmark only."""
    lines = _lines(summary, compared)
    lines = lines[lines["benchmark"] != MEAN]
    benchmarks = list(dict.fromkeys(lines["benchmark"]))
    if len(benchmarks) == 1:
        return None
    names = ("Accuracy %", "Length", "Reflective")
    columns = [Column("Model", number=False)]
    columns += [Column(name, benchmark) for benchmark in benchmarks for name in names]
    groups = []
    for pair, own in lines.groupby("pair", sort=False):
        rows = []
        for place, (_, of_model) in enumerate(own.groupby("name", sort=False)):
            by_benchmark = {line["benchmark"]: line for line in of_model.to_dict("records")}
            first = next(iter(by_benchmark.values()))
            cells = [_cell(by_benchmark[one][name]) for one in benchmarks for name in names]
            rows.append(Row([_model(first, place)[0], *cells], first["first"]))
        groups.append(Group(rows, str(pair) if lines["pair"].nunique() > 1 else ""))
    return PageTable(columns, groups, "By benchmark")


def _lines(summary: pa.Table, compared: pa.Table) -> pd.DataFrame:
    """Return the lines of a table with their text cells, in the paper's order of methods within each pair."""
    frame = as_decoded(overall(summary)).reset_index(drop=True)
    frame["name"] = model_names(frame)
    shown = display_frame(summary, compared).drop(columns=list(LEFT_OUT), errors="ignore").reset_index(drop=True)
    marks = Marks(compared)
    shown["Accuracy %"] = [
        (text, marks.mark(line)) for text, line in zip(shown["Accuracy %"], frame.itertuples(), strict=True)
    ]
    lines = pd.concat([frame, shown], axis=1)
    lines = pd.concat([in_order(own) for _, own in lines.groupby("pair", sort=False)])
    lines["first"] = lines["method"] != lines["method"].shift()
    return lines


def _model(line: dict[str, Any], place: int) -> list[Cell]:
    """Return the cell that leads to the checkpoint, and sorts in the paper's order, and the one to its responses."""
    responses = Cell("read", place, link=to_responses(line["study"], line["checkpoint"]))
    return [Cell(line["name"], place, link=to_checkpoint(line["checkpoint"])), responses]


def _cell(shown: str | tuple[str, str]) -> Cell:
    text, mark = shown if isinstance(shown, tuple) else (shown, "")
    return Cell(text, sort_value(text), MARKS.get(mark, ""))
