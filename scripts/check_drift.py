"""Fail when a new run is too far from a stored one: the rule check_drift, and a command line of its own.

    python scripts/check_drift.py --table tables/nightly.parquet --comparisons comparisons/nightly.parquet \\
        --tolerances tolerances.yaml --out drift.txt

The tables, which show every number, are made before and stay. The exit code is 1 when a tolerance is broken.
"""

from pathlib import Path
from typing import Annotated

import typer

from l2s.analysis.drift import Tolerances, broken
from l2s.config import read_yaml, validate
from l2s.contracts.comparisons import COMPARISONS
from l2s.contracts.parquet import read_table
from l2s.contracts.table import TABLE
from l2s.errors import UserError
from l2s.files import write_text
from l2s.jobs import run_cli, run_job


def read_tolerances(path: str) -> Tolerances:
    """Read tolerances from a YAML file."""
    return validate(Tolerances, read_yaml(Path(path)), path)


def main(
    table: Annotated[Path, typer.Option(help="Parquet file of the study's table.")],
    comparisons: Annotated[Path, typer.Option(help="Parquet file of its comparisons with the stored run.")],
    tolerances: Annotated[
        Tolerances, typer.Option(parser=read_tolerances, metavar="FILE", help="YAML file of the tolerances.")
    ],
    out: Annotated[Path, typer.Option(help="Text file that says that nothing is broken.")],
) -> None:
    """Say which tolerances are broken, and fail if any is."""
    found = list(broken(tolerances, read_table(table, TABLE), read_table(comparisons, COMPARISONS)))
    if found:
        said = " ".join(f"({number}) {one}." for number, one in enumerate(found, start=1))
        raise UserError(f"{len(found)} tolerances are broken or cannot be checked (see {table}): {said}")
    kept = ", ".join(f"{name} {value:g}" for name, value in tolerances.model_dump().items() if value is not None)
    write_text(out, f"within all tolerances: {kept}\n")
    print(f"{out}: within all tolerances")


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        table=Path(snakemake.input.table),
        comparisons=Path(snakemake.input.comparisons),
        tolerances=validate(Tolerances, snakemake.params.tolerances, "tolerances of this study"),
        out=Path(snakemake.output.drift),
    )
elif __name__ == "__main__":
    run_cli(main)
