"""Compare a study's checkpoints on the same questions: the rule compare, and a command line of its own.

    python scripts/compare.py --spec study.yaml --out comparisons.parquet

The spec is that of make_table.py. docs/statistics.md says what each number means.
"""

from pathlib import Path
from typing import Annotated

import typer

from l2s.analysis.comparisons import compare_lines
from l2s.analysis.spec import Spec, read_spec
from l2s.config import validate
from l2s.contracts.parquet import write_table
from l2s.jobs import run_cli, run_job


def main(
    spec: Annotated[
        Spec, typer.Option(parser=read_spec, metavar="FILE", help="YAML file of what the table is made from.")
    ],
    out: Annotated[Path, typer.Option(help="Parquet file of the comparisons.")],
) -> None:
    """Test and measure differences in accuracy and length, against the reference and against the best."""
    comparisons = compare_lines(spec)
    write_table(comparisons, out)
    print(f"{out}: {len(comparisons)} comparisons")


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        spec=validate(Spec, snakemake.params.spec, "spec of this job"),
        out=Path(snakemake.output.comparisons),
    )
elif __name__ == "__main__":
    run_cli(main)
