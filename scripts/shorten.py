"""Shorten a reasoning model: from two models and an allowed loss to the shortest merge that keeps it.

    python scripts/shorten.py --quick Qwen/Qwen2.5-Math-7B --slow /models/my-reasoner --loss 1.0 \\
        --benchmark gsm8k --benchmark mine.jsonl

writes a configuration (config/<name>.yaml and the entries that it names), to be read, kept and edited, and runs the
workflow on it. It may be interrupted: the same command goes on. docs/shorten.md explains it.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from l2s.config import NAME, PROJECT, read_yaml
from l2s.errors import UserError
from l2s.experiment import Experiment
from l2s.jobs import run_cli
from l2s.layout import Layout
from l2s.plan.report import print_plan
from l2s.plan.searches import search_notes
from l2s.shorten.entries import Wanted, entries_of, write_entries

CONFIG = Path("config")  # relative, as messages and Snakemake name it; the command runs in the project's folder


def main(
    quick: Annotated[
        str, typer.Option(metavar="MODEL", help="The quick model: a folder, or owner/name[@revision] of the hub.")
    ],
    slow: Annotated[str, typer.Option(metavar="MODEL", help="The slow model, fine-tuned from it, likewise.")],
    benchmark: Annotated[
        list[str],
        typer.Option(
            metavar="ENTRY|FILE",
            help="Entry of config/benchmarks, or a JSONL or Parquet file of questions and answers; may be repeated.",
        ),
    ],
    loss: Annotated[float, typer.Option(min=0, help="Points of accuracy that may be lost.")] = 1.0,
    results: Annotated[
        str, typer.Option(help="Results folder; its last part names the configuration.")
    ] = "results/mine",
    prompt: Annotated[
        str | None,
        typer.Option(metavar="ENTRY", help="Entry of config/prompts. Default: the tokenizer's chat template."),
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option(min=1, help="Tokens that a response may have. Default: 8192 on a GPU, 2048 without one."),
    ] = None,
    calibration_data: Annotated[
        str | None,
        typer.Option(
            metavar="ENTRY",
            help="Entry of config/calibration_data: AIM and Sens are searched as well. Default: they are not.",
        ),
    ] = None,
    cores: Annotated[int, typer.Option(min=1, help="CPU cores to use.")] = len(os.sched_getaffinity(0)),
    gpu: Annotated[int, typer.Option(min=0, help="GPUs to use.")] = 1,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace files of the configuration that say something else. Default: stop."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write the configuration, show plan and price, and stop. Default: run it.")
    ] = False,
) -> None:
    """Find the shortest merge of two models that loses no more accuracy than is allowed, and prove it."""
    folder = Path(results).absolute()
    benchmarks = [str(Path(given).absolute()) if Path(given).is_file() else given for given in benchmark]
    models = [str(Path(given).absolute()) if Path(given).is_dir() else given for given in (quick, slow)]
    if not NAME.fullmatch(folder.name):
        raise UserError(
            f"--results {results}: '{folder.name}' names the configuration: use letters, digits, '_' and '-'"
        )
    os.chdir(PROJECT)
    inside = str(folder.relative_to(PROJECT)) if folder.is_relative_to(PROJECT) else str(folder)
    wanted = Wanted(folder.name, *models, loss, benchmarks, inside, prompt, budget, calibration_data)
    write_entries(entries_of(wanted, CONFIG), overwrite)
    top = CONFIG / f"{wanted.name}.yaml"
    config = read_yaml(top)
    if dry_run:
        print_plan(config, PROJECT, Console())
        return
    for note in search_notes(Experiment(config, CONFIG)):
        print(f"note: {note}")
    snakemake = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--resources", f"gpu={gpu}"]
    if subprocess.run([*snakemake, "--configfile", str(top)], check=False).returncode:
        raise UserError("the run stopped; see the lines above. What it has made is kept: the same command goes on")
    page = Layout(inside).shortened_page(wanted.name)
    print(f"{page}: {read_yaml(Path(Layout(inside).verdict(wanted.name)))['sentence']}")


if __name__ == "__main__":
    run_cli(main)
