"""Load a calibration set: the calibration_data rule's script, and a command line of its own.

python scripts/calibration_data.py --entry config/calibration/s1k.yaml --out s1k.parquet
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from l2s.config import read_yaml, validate
from l2s.jobs import run_cli, run_job
from l2s.parquet import write_table
from l2s.sources.samples import SamplesEntry, load_samples


def main(
    entry: Annotated[Path, typer.Option(help="YAML file of the calibration set.")],
    out: Annotated[Path, typer.Option(help="Parquet file of the samples.")],
) -> None:
    """Read a calibration set's rows, normalise them, pick the samples, and write them as Parquet."""
    write_samples(read_yaml(entry), str(entry), out)


def write_samples(entry: dict[str, Any], entry_file: str, out: Path) -> None:
    """Write the samples of a calibration set, given its entry's values and what errors call the entry."""
    table = load_samples(validate(SamplesEntry, entry, entry_file), entry_file)
    write_table(table, out)
    print(f"{out}: {len(table)} samples")


if "snakemake" in globals():
    run_job(
        write_samples,
        snakemake,
        entry=snakemake.params.entry,
        entry_file=f"config/calibration/{snakemake.wildcards.samples}.yaml",
        out=Path(snakemake.output.samples),
    )
elif __name__ == "__main__":
    run_cli(main)
