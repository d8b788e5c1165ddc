"""Measure the singular values of a task vector: the spectra rule's script, and a command line of its own.

python scripts/measure_spectra.py --base workflow/resources/demo/quick --model workflow/resources/demo/slow \\
    --out spectra.parquet
"""

import os
from pathlib import Path
from typing import Annotated

import typer

from l2s.checkpoints.weights import Checkpoint, locate
from l2s.contracts.parquet import write_table
from l2s.jobs import run_cli, run_job
from l2s.merging.engine.task_spectra import measure_spectra
from l2s.steps import register_steps


def main(
    base: Annotated[str, typer.Option(help="Folder of the base, or owner/name@<40-digit commit>.")],
    model: Annotated[str, typer.Option(help="Folder of the model, or owner/name@<40-digit commit>.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
    threads: Annotated[int, typer.Option(min=1, help="Threads of the arithmetic.")] = len(os.sched_getaffinity(0)),
) -> None:
    """Write the singular values of every matrix of model − base, as Parquet."""
    measure(locate(base), locate(model), out, threads)


def measure_job(base: Path, model: Path, out: Path, threads: int) -> None:
    """Measure inside the workflow, where models are given by their manifests."""
    folders = [Checkpoint.from_manifest(manifest).weights() for manifest in (base, model)]
    measure(*folders, out, threads)


def measure(base: Path, model: Path, out: Path, threads: int) -> None:
    """Measure the task vector of two model folders."""
    table = measure_spectra(base, model, threads)
    write_table(table, out)
    print(f"{out}: {len(table)} singular values of {len(table['tensor'].unique())} matrices")


register_steps()

if "snakemake" in globals():
    run_job(
        measure_job,
        snakemake,
        base=Path(snakemake.input.base),
        model=Path(snakemake.input.model),
        out=Path(snakemake.output.spectra),
        threads=snakemake.threads,
    )
elif __name__ == "__main__":
    run_cli(main)
