"""The jobs that Snakemake would run now, as data.

A dry run in a process of its own: Snakemake logs an event for each job, which is caught here with all its fields, so
that nobody has to take apart the text that people are shown.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from snakemake_interface_logger_plugins.common import LogEvent

from l2s.errors import UserError
from l2s.experiment import Experiment
from l2s.experiment.ahead import AHEAD, DECODE
from l2s.files import canonical_json

SCRIPTS = Path(__file__).resolve().parents[2]
MARK = "JOBS "  # begins the line that is meant for us


class PlannedJob(NamedTuple):
    """A job that would run: its rule and wildcards, and where its log and its timing go, empty if it has none."""

    rule: str
    wildcards: dict[str, str]
    log: str
    timing: str

    @property
    def checkpoint(self) -> str:
        """The checkpoint that it makes, decodes with or grades, for rules that have one."""
        if "checkpoint" in self.wildcards:
            return self.wildcards["checkpoint"]
        return "/".join(self.wildcards[part] for part in ("pair", "method", "recipe"))

    def decodes(self, experiment: Experiment) -> tuple[str, ...]:
        """Return the checkpoints that it generates responses with."""
        return experiment.decodes(self.rule, self.checkpoint, self.decoding) if self.decoding else ()

    @property
    def decoding(self) -> str:
        """The decode settings of a job that decodes, else nothing."""
        return self.wildcards["decoding"] if self.rule in (DECODE, AHEAD) else ""


def jobs_to_run(config: dict[str, Any], project: Path) -> list[PlannedJob]:
    """Return the jobs that a configuration's target ``all`` would run now.

    Args:
        config: The top-level configuration.
        project: The project's folder, which Snakemake is run in.

    Raises:
        UserError: The dry run fails; says what Snakemake said.
    """
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(canonical_json(config))
        file.flush()
        command = [sys.executable, "-m", "l2s.plan.jobs", "--configfile", file.name]
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"a dry run of the workflow fails: {done.stdout}{done.stderr}")
    return reported(done.stdout)


def reported(output: str) -> list[PlannedJob]:
    """Return the jobs that ``report`` has printed among other lines."""
    (line,) = [line for line in output.splitlines() if line.startswith(MARK)]
    return [PlannedJob(*job) for job in json.loads(line.removeprefix(MARK))]


class JobEvents(logging.Handler):
    """Keeps what ``PlannedJob`` holds of each job that Snakemake says it would run."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[PlannedJob] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record if it says that a job would run."""
        if getattr(record, "event", None) == LogEvent.JOB_INFO:
            log = next(iter(record.log or []), "")
            self.jobs.append(PlannedJob(record.rule_name, dict(record.wildcards or {}), log, record.benchmark or ""))


def report(options: list[str]) -> None:
    """Run Snakemake dry in this process with these options, and print its jobs as JSON on a line of its own."""
    from snakemake.cli import main

    events = JobEvents()
    # On the root: Snakemake replaces the handlers of its own logger.
    logging.getLogger().addHandler(events)
    try:
        main(["--dry-run", "--cores", "1", *options])
    except SystemExit as end:
        if end.code:
            raise
    print(MARK + json.dumps([job for job in events.jobs if job.rule != "all"]))


if __name__ == "__main__":
    report(sys.argv[1:])
