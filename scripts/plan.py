"""Print what a run would cost and what hinders it, without running anything: the plan rule's script.

snakemake plan                                          the paper
python scripts/plan.py --configfile config/demo.yaml   another configuration
"""

from pathlib import Path

from rich.console import Console

from l2s.config_option import PAPER, ConfigFile
from l2s.jobs import run_cli, run_in_terminal
from l2s.plan.report import print_plan

PROJECT = Path(__file__).resolve().parents[1]


def main(
    config: ConfigFile = PAPER,
) -> None:
    """Print what a run of a configuration would take; to be called in the project's folder."""
    print_plan(config, PROJECT, Console())


if "snakemake" in globals():
    run_in_terminal(main, snakemake.config)
elif __name__ == "__main__":
    run_cli(main)
