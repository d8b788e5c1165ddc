"""Check the machine that it runs on for jobs on GPUs: the doctor rule's script.

snakemake doctor                                        this machine
snakemake doctor --workflow-profile profiles/slurm      a compute node, as a job
python scripts/doctor.py --configfile config/mine.yaml  another configuration
"""

from pathlib import Path

from huggingface_hub.constants import HF_HUB_CACHE
from rich.console import Console

from l2s.config_option import PAPER, ConfigFile
from l2s.errors import UserError
from l2s.experiment import Experiment
from l2s.jobs import run_cli, run_in_terminal
from l2s.plan.checks import check_disks
from l2s.plan.machine import check_free, check_machine, gpu_settings
from l2s.plan.report import print_checks

PROJECT = Path(__file__).resolve().parents[1]


def main(
    config: ConfigFile = PAPER,
) -> None:
    """Say what jobs of a configuration find on this machine; a status of 1 if they would break on it."""
    experiment = Experiment(config, PROJECT / "config")
    settings = gpu_settings(experiment, experiment.asked)
    checks = list(check_machine(settings))
    if checks[0].good:
        checks += check_free(settings)
    checks += check_disks([(Path(HF_HUB_CACHE), 0), (Path(experiment.config.results), 0)])
    print_checks(checks, Console())
    if bad := sum(not check.good for check in checks):
        raise UserError(f"{bad} of {len(checks)} checks failed on this machine; the lines above say what to do")


if "snakemake" in globals():
    run_in_terminal(main, snakemake.config)
elif __name__ == "__main__":
    run_cli(main)
