"""What a run says of itself: configuration, installed packages, workflow, and when, on what and how long it ran."""

from pathlib import Path

import yaml

from l2s import gpus
from l2s.config import PROJECT
from l2s.contracts.run import ReachedBy, RuleTime, Run
from l2s.crate.covered import covered_files
from l2s.crate.records import Job, Lookup, jobs_of, moment
from l2s.crate.surroundings import code, configuration, installed, machine
from l2s.experiment import Experiment
from l2s.experiment.ahead import AHEAD, DECODE
from l2s.experiment.assumptions import assumptions_of
from l2s.files import pretty_json, write_text
from l2s.layout import RUN, Layout

CONFIGURATION, INSTALLED, WORKFLOW = "configuration.yaml", "installed.txt", "Snakefile"


def write_run_files(experiment: Experiment, layout: Layout, lookup: Lookup, succeeded: bool) -> None:
    """Write the folder ``run/`` of a results folder.

    Args:
        experiment: The configured studies.
        layout: The results folder's.
        lookup: Snakemake's records of outputs.
        succeeded: Whether the run that has just ended did.
    """
    write_text(Path(layout.run_file(CONFIGURATION)), yaml.safe_dump(configuration(experiment), allow_unicode=True))
    write_text(Path(layout.run_file(INSTALLED)), installed())
    write_text(Path(layout.run_file(WORKFLOW)), (PROJECT / "Snakefile").read_text(encoding="utf-8"))
    jobs = jobs_of(layout, [file.path for file in covered_files(Path(layout.results))], lookup)
    run = Run(
        succeeded=succeeded,
        started=moment(min(job.started for job in jobs)) if jobs else None,
        ended=moment(max(job.ended for job in jobs)) if jobs else None,
        machine=machine(),
        code=code(),
        rules=_times(experiment, jobs),
        assumptions={
            name: ReachedBy(**assumed.model_dump(include=set(ReachedBy.model_fields)), numbers=numbers)
            for name, assumed, numbers in assumptions_of(experiment)
        },
    )
    write_text(Path(layout.run_file(RUN)), pretty_json(run.model_dump(mode="json")))


def _times(experiment: Experiment, jobs: list[Job]) -> dict[str, RuleTime]:
    times = {}
    for rule in sorted({job.rule for job in jobs}):
        own = [job for job in jobs if job.rule == rule]
        times[rule] = RuleTime(
            jobs=len(own),
            seconds=sum(job.ended - job.started for job in own),
            gpu_seconds=sum((job.ended - job.started) * _gpus(experiment, job) for job in own),
            peak_mb=max((float(job.peak_mb) for job in own if job.peak_mb), default=None),
        )
    return times


def _gpus(experiment: Experiment, job: Job) -> int:
    """Return how many GPUs a job had, by the configuration as it is now; 0 of a job that it no longer asks for."""
    if job.rule in (DECODE, AHEAD):
        parts = job.source.split("/")[: -1 if job.rule == AHEAD else None]
        asked = "/".join(parts[:-1]), parts[-1]
        generates = asked in experiment.asked and experiment.decodes(job.rule, *asked)
        return experiment.decoding_of(*asked).gpus if generates else 0
    if job.rule == "train" and job.source in experiment.trainings:
        return experiment.trainings[job.source].recipe.method.gpus
    devices = {"calibrate": experiment.config.calibration_device, "merge": experiment.config.merge_device}
    device = devices.get(job.rule, "cpu")
    return int(device == "cuda" or (device == "auto" and gpus.device_here() == "cuda"))
