"""Make a study's table: the rule make_table, and a command line of its own.

    python scripts/compare.py --spec study.yaml --out comparisons.parquet
    python scripts/make_table.py --spec study.yaml --comparisons comparisons.parquet --out tables/study

The spec names the study, its title, its benchmarks, for each line the pair, method, recipe, checkpoint and reference,
and for each of these checkpoints the Parquet files of responses and grades.
"""

from pathlib import Path
from typing import Annotated

import typer

from l2s.analysis.paper_table import layout_note, wide_frame
from l2s.analysis.render_table import caption, display_frame, write_csv, write_latex, write_markdown
from l2s.analysis.side_tables import side_tables
from l2s.analysis.spec import Spec, read_spec
from l2s.analysis.table import make_table
from l2s.config import validate
from l2s.contracts.comparisons import COMPARISONS
from l2s.contracts.parquet import read_table, write_table
from l2s.jobs import run_cli, run_job


def main(
    spec: Annotated[
        Spec, typer.Option(parser=read_spec, metavar="FILE", help="YAML file of what the table is made from.")
    ],
    comparisons: Annotated[Path, typer.Option(help="Parquet file of the study's comparisons (compare.py).")],
    out: Annotated[Path, typer.Option(help="Path of the outputs, without suffix.")],
) -> None:
    """Write a study's table as Parquet, CSV, Markdown and LaTeX."""
    questions = [row for table in spec.asked() for row in table.to_pylist()]
    levels = {(row["benchmark"], row["question_id"]): row["level"] for row in questions if row["level"] is not None}
    summary = make_table(spec.study, spec.rows, spec.benchmarks, spec.measured, levels, spec.counting)
    compared = read_table(comparisons, COMPARISONS)
    note = caption(summary, compared, spec.reference, spec.counting, spec.limits)
    tables = [display_frame(summary, compared), *side_tables(summary).values()]
    if spec.cell:
        tables.insert(0, wide_frame(summary, spec.cell, compared))
        note = layout_note(spec.cell) + note
    files = {suffix: out.with_name(f"{out.name}.{suffix}") for suffix in ("parquet", "csv", "md", "tex")}
    write_table(summary, files["parquet"], {"title": spec.title, "note": note})
    write_csv(summary, files["csv"])
    write_markdown(tables, spec.title, note, files["md"])
    write_latex(tables[0], spec.title, files["tex"])
    print(f"{out}: {len(summary)} lines")


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        spec=validate(Spec, snakemake.params.spec, "spec of this job"),
        comparisons=Path(snakemake.input.comparisons),
        out=Path(snakemake.output.table.removesuffix(".parquet")),
    )
elif __name__ == "__main__":
    run_cli(main)
