"""Grade responses: the rule grade, and a command line of its own.

    python scripts/grade.py --responses merged.parquet --out merged-grades.parquet --against slow.parquet

By hand, the gold answers come from the benchmarks' entries under ``config/benchmarks/``, and accuracy and length are
printed. docs/statistics.md says how the workflow compares models, with intervals and tests.
"""

from pathlib import Path
from typing import Annotated

import pyarrow.compute as pc
import typer

from l2s.contracts.parquet import read_table, write_table
from l2s.contracts.questions import QUESTIONS
from l2s.contracts.responses import RESPONSES
from l2s.grading.grades import grade_responses
from l2s.grading.summary import accuracy_lines, difference_lines, graded_frame
from l2s.jobs import run_cli, run_job
from l2s.sources.benchmarks import find_questions


def main(
    responses: Annotated[Path, typer.Option(help="Parquet file of responses.")],
    out: Annotated[Path, typer.Option(help="Parquet file of the grades.")],
    grader: Annotated[
        str, typer.Option(help="Name of the grader: a module of scripts/l2s/grading/graders.")
    ] = "math_verify",
    questions: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="<path>",
            help="Parquet file of questions; may be repeated. Default: the benchmarks' entries are loaded.",
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(help="Folder in which verdicts are kept, so that only new responses are graded. Default: none."),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(
            help="Folder in which comparisons of answers with right answers are kept, for the responses of all models. "
            "Default: none."
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            help="Responses of another model to the same questions, graded as well; prints how the models differ. "
            "Default: none."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that grade. Default: one for each core.")
    ] = None,
) -> None:
    """Grade every response against its question's gold answer."""
    table = read_table(responses, RESPONSES)
    if questions:
        tables = [read_table(path, QUESTIONS) for path in questions]
    else:
        names = pc.unique(table["benchmark"]).to_pylist()
        tables = [find_questions(name, f"{responses} (or give --questions)") for name in names]
    grades = grade_responses(table, tables, grader, workers, store, answers)
    write_table(grades, out)
    print(f"{out}: {len(table)} grades")
    frame = graded_frame(table, grades)
    print(*accuracy_lines(frame), sep="\n")
    if against:
        other = read_table(against, RESPONSES)
        compared = graded_frame(other, grade_responses(other, tables, grader, workers, answers=answers))
        print(*difference_lines(frame, compared, str(against)), sep="\n")


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        responses=Path(snakemake.input.responses),
        out=Path(snakemake.output.grades),
        grader=snakemake.wildcards.grader,
        questions=[Path(path) for path in snakemake.input.questions],
        store=Path(snakemake.params.store),
        answers=Path(snakemake.params.answers),
        workers=snakemake.threads,
    )
elif __name__ == "__main__":
    run_cli(main)
