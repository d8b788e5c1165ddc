"""Load calibration data: the load_calibration_data rule's script, and a command line of its own.

python scripts/load_calibration_data.py --entry config/calibration_data/s1k.yaml --out s1k.parquet
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from l2s.config import read_values, validate
from l2s.contracts.parquet import write_table
from l2s.jobs import run_cli, run_job
from l2s.sources.calibration_data import CalibrationDataEntry, load_calibration_data


def main(
    entry: Annotated[Path, typer.Option(help="YAML file of the calibration data.")],
    out: Annotated[Path, typer.Option(help="Parquet file of the rows.")],
) -> None:
    """Read rows of calibration data, normalise them, pick some, and write them as Parquet."""
    write_calibration_data(read_values(entry), str(entry), out)


def write_calibration_data(entry: dict[str, Any], entry_file: str, out: Path) -> None:
    """Write the rows of calibration data, given the entry's values and what errors call the entry."""
    table = load_calibration_data(validate(CalibrationDataEntry, entry, entry_file), entry_file)
    write_table(table, out)
    print(f"{out}: {len(table)} rows")


if "snakemake" in globals():
    run_job(
        write_calibration_data,
        snakemake,
        entry=snakemake.params.entry,
        entry_file=f"config/calibration_data/{snakemake.wildcards.calibration_data}.yaml",
        out=Path(snakemake.output.calibration_data),
    )
elif __name__ == "__main__":
    run_cli(main)
