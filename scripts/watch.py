"""Follow a run in the terminal: what is done, running, waiting or has failed, and how long decoding still takes.

    python scripts/watch.py                                  the paper's run (config/config.yaml), in its folder
    python scripts/watch.py --configfile config/demo.yaml    another one
    python scripts/watch.py --once                           one look, for a log or a mail

To be called in the project's folder, in a second terminal. It reads logs and timings and changes nothing.
"""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from l2s.config import read_entry
from l2s.config_option import PAPER, ConfigFile
from l2s.experiment import Experiment
from l2s.jobs import run_cli
from l2s.plan.costs import Costs
from l2s.plan.estimates import Estimates
from l2s.plan.jobs import jobs_to_run
from l2s.plan.watch import Watch

PROJECT = Path(__file__).resolve().parents[1]
SECONDS_BETWEEN_LOOKS = 2.0


def main(
    config: ConfigFile = PAPER,
    once: Annotated[bool, typer.Option("--once", help="Look once. Default: follow the run until it ends.")] = False,
) -> None:
    """Show the jobs of a run by stage, those that run with their last words, failures, and the time left."""
    experiment = Experiment(config, PROJECT / "config")
    costs = Costs(experiment, read_entry(PROJECT / "config" / "estimates.yaml", Estimates))
    watch = Watch(experiment, costs, jobs_to_run(config, PROJECT), PROJECT)
    console = Console()
    if once or watch.finished():
        console.print(watch.show())
        return
    with Live(watch.show(), console=console, auto_refresh=False) as live:
        while not watch.finished():
            time.sleep(SECONDS_BETWEEN_LOOKS)
            live.update(watch.show(), refresh=True)


if __name__ == "__main__":
    run_cli(main)
