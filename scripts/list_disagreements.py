"""List the responses on which graders differ: the rule list_disagreements, and a command line of its own.

    python scripts/list_disagreements.py --grades math_verify.parquet --grades toolkit.parquet \\
        --grader math_verify --grader toolkit --out disagreements
"""

from pathlib import Path
from typing import Annotated

import typer

from l2s.analysis.disagreements import disagreements
from l2s.contracts.grades import GRADES
from l2s.contracts.parquet import read_table, write_table
from l2s.errors import UserError
from l2s.jobs import run_cli, run_job


def main(
    grades: Annotated[list[Path], typer.Option(help="Parquet files of grades: of each grader, of each checkpoint.")],
    grader: Annotated[list[str], typer.Option(help="Names of the graders, in the order of the files.")],
    out: Annotated[Path, typer.Option(help="Path of the outputs, without suffix.")],
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(help="Names of the checkpoints, in the order of each grader's files. Default: one checkpoint."),
    ] = None,
    benchmark: Annotated[list[str] | None, typer.Option(help="Benchmarks to look at. Default: all.")] = None,
    title: Annotated[str, typer.Option(help="Title of the list.")] = "Responses",
) -> None:
    """Write the responses on which graders differ or failed, as Parquet."""
    checkpoints = checkpoint or ["checkpoint"]
    if len(grades) != len(grader) * len(checkpoints):
        raise UserError(
            f"--grades: give a file for each of {len(grader)} graders and {len(checkpoints)} checkpoints "
            f"(found {len(grades)})"
        )
    names = [(one, name) for one in grader for name in checkpoints]
    files = dict(zip(names, grades, strict=True))
    read = {name: {one: read_table(files[one, name], GRADES) for one in grader} for name in checkpoints}
    table = disagreements(read, benchmark)
    write_table(table, out.with_name(f"{out.name}.parquet"), {"title": f"{title}: where graders differ"})
    print(f"{out}: {len(table)} responses")


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        grades=[Path(path) for path in snakemake.input.grades],
        grader=snakemake.params.graders,
        out=Path(snakemake.output.disagreements.removesuffix(".parquet")),
        checkpoint=snakemake.params.checkpoints,
        benchmark=snakemake.params.benchmarks,
        title=snakemake.params.title,
    )
elif __name__ == "__main__":
    run_cli(main)
