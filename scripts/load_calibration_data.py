"""Load calibration data: the rule load_calibration_data, and a command line of its own.

python scripts/load_calibration_data.py --entry s1k --out s1k.parquet
"""

from pathlib import Path
from typing import Annotated

import typer

from l2s.config import Named, entry_of_rule, entry_option
from l2s.contracts.parquet import write_table
from l2s.jobs import run_cli, run_job
from l2s.sources.calibration_data import CalibrationDataEntry, load_calibration_data


def main(
    entry: Annotated[
        Named[CalibrationDataEntry],
        typer.Option(
            parser=entry_option("calibration_data", CalibrationDataEntry, "--entry"),
            metavar="ENTRY",
            help="The calibration data: name of an entry of config/calibration_data, or a YAML file.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Parquet file of the rows.")],
) -> None:
    """Read rows of calibration data, normalise them, pick some, and write them as Parquet."""
    table = load_calibration_data(entry.entry, entry.where)
    write_table(table, out)
    print(f"{out}: {len(table)} rows")


if "snakemake" in globals():
    name, values = snakemake.wildcards.calibration_data, snakemake.params.entry
    run_job(
        main,
        snakemake,
        entry=entry_of_rule("calibration_data", CalibrationDataEntry, name, values),
        out=Path(snakemake.output.calibration_data),
    )
elif __name__ == "__main__":
    run_cli(main)
