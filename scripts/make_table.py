"""Make a study's table: the rule make_table, and a command line of its own.

    python scripts/make_table.py --spec study.yaml --out tables/study

The spec names the study, its title, its benchmarks, for each line the pair, method, recipe, checkpoint and reference,
and for each of these checkpoints the Parquet files of responses and grades.
"""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import Field

from l2s.analysis.paper_table import Cell, layout_note, wide_frame
from l2s.analysis.render_table import caption, display_frame, write_csv, write_html, write_latex, write_markdown
from l2s.analysis.table import COUNTING, Counting, Row, make_table
from l2s.config import StrictModel, read_yaml, validate
from l2s.contracts.grades import GRADES
from l2s.contracts.parquet import read_table, write_table
from l2s.contracts.questions import QUESTIONS
from l2s.contracts.responses import RESPONSES
from l2s.contracts.table import QUESTION
from l2s.jobs import run_cli, run_job

# Token ids, which are most of a file, are not.
COLUMNS_READ = [*QUESTION, "read_at", "text", "output_tokens", "retokenized", "finish_reason"]


class Files(StrictModel):
    """What was measured of a checkpoint."""

    responses: str = Field(description="Parquet file")
    grades: dict[str, str] = Field(min_length=1, description="Parquet files, by grader, the study's own grader first")


class Spec(StrictModel):
    """What a study's table is made from."""

    study: str
    title: str
    reference: str = Field(description="how the table's note names what lengths are compared with")
    benchmarks: tuple[str, ...] = Field(min_length=1)
    cell: Cell | None = Field(None, description="what a cell of the paper's layout holds; absent: no such table")
    counting: Counting = Field(COUNTING, description="what counts as length and as reflection")
    limits: tuple[str, ...] = Field((), description="sentences on limits of single checkpoints, for the table's note")
    questions: tuple[str, ...] = Field((), description="Parquet files of the benchmarks' questions, for their levels")
    rows: tuple[Row, ...] = Field(min_length=1)
    checkpoints: dict[str, Files] = Field(description="by name, every checkpoint of the rows and every reference")


def read_spec(path: str) -> Spec:
    """Read a specification from a YAML file."""
    return validate(Spec, read_yaml(Path(path)), path)


def main(
    spec: Annotated[
        Spec, typer.Option(parser=read_spec, metavar="FILE", help="YAML file of what the table is made from.")
    ],
    out: Annotated[Path, typer.Option(help="Path of the outputs, without suffix.")],
) -> None:
    """Write a study's table as Parquet, CSV, Markdown, HTML and LaTeX."""
    read = {
        name: (
            read_table(Path(files.responses), RESPONSES, COLUMNS_READ),
            {grader: read_table(Path(path), GRADES) for grader, path in files.grades.items()},
        )
        for name, files in spec.checkpoints.items()
    }
    questions = [row for path in spec.questions for row in read_table(Path(path), QUESTIONS).to_pylist()]
    levels = {(row["benchmark"], row["question_id"]): row["level"] for row in questions if row["level"] is not None}
    summary = make_table(spec.study, spec.rows, spec.benchmarks, read, levels, spec.counting)
    note = caption(summary, spec.reference, spec.counting, spec.limits)
    tables = [display_frame(summary)]
    if spec.cell:
        tables.insert(0, wide_frame(summary, spec.cell))
        note = layout_note(spec.cell) + note
    files = {suffix: out.with_name(f"{out.name}.{suffix}") for suffix in ("parquet", "csv", "md", "html", "tex")}
    write_table(summary, files["parquet"], {"title": spec.title, "note": note})
    write_csv(summary, files["csv"])
    write_markdown(tables, spec.title, note, files["md"])
    write_html(tables, spec.title, note, files["html"])
    write_latex(tables[0], spec.title, files["tex"])
    print(f"{out}: {len(summary)} lines")


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        spec=validate(Spec, snakemake.params.spec, "spec of this job"),
        out=Path(snakemake.output.table.removesuffix(".parquet")),
    )
elif __name__ == "__main__":
    run_cli(main)
