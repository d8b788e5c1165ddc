"""Measure the singular values of a task vector: the rule measure_spectra, and a command line of its own.

python scripts/measure_spectra.py --base workflow/resources/demo/quick --model workflow/resources/demo/slow \\
    --out spectra.parquet
"""

import os
from pathlib import Path
from typing import Annotated

import typer

from l2s.checkpoints.weights import find_weights, recorded_tensors
from l2s.contracts.parquet import write_table
from l2s.jobs import run_cli, run_job
from l2s.steps import register_steps

MODEL = "its folder, its manifest.json, or owner/name@<40-digit commit>."


def main(
    base: Annotated[str, typer.Option(help=f"The base: {MODEL}")],
    model: Annotated[str, typer.Option(help=f"The model: {MODEL}")],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
    threads: Annotated[int, typer.Option(min=1, help="Threads of the arithmetic.")] = len(os.sched_getaffinity(0)),
) -> None:
    """Write the singular values of every matrix of model − base, as Parquet."""
    from l2s.merging.engine.task_spectra import measure_spectra

    folders = {given: find_weights(given) for given in (base, model)}
    known = {folder: tensors for given, folder in folders.items() if (tensors := recorded_tensors(given, folder))}
    table = measure_spectra(folders[base], folders[model], threads, known)
    write_table(table, out)
    print(f"{out}: {len(table)} singular values of {len(table['tensor'].unique())} matrices")


register_steps()

if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        base=snakemake.input.base,
        model=snakemake.input.model,
        out=Path(snakemake.output.spectra),
        threads=snakemake.threads,
    )
elif __name__ == "__main__":
    run_cli(main)
