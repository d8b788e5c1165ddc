"""Grade responses: the grade rule's script, and a command line of its own.

    python scripts/grade.py --responses responses.parquet --out grades.parquet

By hand, the gold answers come from the benchmarks' entries under ``config/benchmarks/``.
"""

from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.compute as pc
import typer

from l2s.config import find_entry, read_entry
from l2s.contracts.parquet import read_table, write_table
from l2s.contracts.questions import QUESTIONS
from l2s.contracts.responses import RESPONSES
from l2s.grading.grades import grade_responses
from l2s.jobs import run_cli, run_job
from l2s.sources.benchmarks import BenchmarkEntry, load_questions

CONFIG = Path(__file__).resolve().parents[1] / "config"


def main(
    responses: Annotated[Path, typer.Option(help="Parquet file of responses.")],
    out: Annotated[Path, typer.Option(help="Parquet file of the grades.")],
    grader: Annotated[str, typer.Option(help="Name of the grader.")] = "math_verify",
    questions: Annotated[
        list[Path] | None, typer.Option(help="Parquet files of questions. Default: load the benchmarks' entries.")
    ] = None,
) -> None:
    """Grade every response against its question's gold answer."""
    table = read_table(responses, RESPONSES)
    tables = [read_table(path, QUESTIONS) for path in questions] if questions else load_benchmarks(table, responses)
    write_table(grade_responses(table, tables, grader), out)
    print(f"{out}: {len(table)} grades")


def load_benchmarks(responses: pa.Table, path: Path) -> list[pa.Table]:
    """Load the questions of every benchmark that the responses name."""
    tables = []
    for name in pc.unique(responses["benchmark"]).to_pylist():
        entry = find_entry(CONFIG / "benchmarks", name, f"{path} (or give --questions)")
        tables.append(load_questions(name, read_entry(entry, BenchmarkEntry), str(entry)))
    return tables


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        responses=Path(snakemake.input.responses),
        out=Path(snakemake.output.grades),
        grader=snakemake.wildcards.grader,
        questions=[Path(path) for path in snakemake.input.questions],
    )
elif __name__ == "__main__":
    run_cli(main)
