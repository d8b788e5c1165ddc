"""What a running or finished workflow has done, is doing and has left, from the files that it writes anyway.

A dry run says which jobs are left, with their logs and timings. A job is done when its timing is written, failed when
the last words of its log are those of an error, and runs when its log is younger than Snakemake's lock. Nothing is
changed, and no server is needed: on a cluster the files lie on the shared file system.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from rich.console import Group
from rich.table import Table

from l2s.experiment import Experiment
from l2s.experiment.ahead import AHEAD
from l2s.layout import Layout
from l2s.plan.costs import Costs
from l2s.plan.jobs import PlannedJob
from l2s.plan.schedule import Job, makespan
from l2s.progress import clock

LOCKS = Path(".snakemake/locks")
"""Holds files while Snakemake runs in the project's folder."""
TAIL_BYTES = 4000
FAILED = re.compile(r"^(error: .*|[\w.]*(?:Error|Exception|Interrupt|Killed)\b.*)$")


class State(StrEnum):
    """What a job is at."""

    DONE = "done"
    RUNNING = "running"
    FAILED = "failed"
    WAITING = "waiting"


class Seen(NamedTuple):
    """A job, its state, and the last line of its log where it runs or has failed."""

    job: PlannedJob
    state: State
    said: str = ""

    @property
    def name(self) -> str:
        """The job as its log's path names it."""
        return "/".join([self.job.rule, *self.job.wildcards.values()])


class Watch:
    """Follows the jobs that were left when it began.

    Args:
        experiment: The experiment.
        costs: Its estimates.
        left: The jobs that a dry run says are left.
        project: The folder that Snakemake runs in.
    """

    def __init__(self, experiment: Experiment, costs: Costs, left: Sequence[PlannedJob], project: Path) -> None:
        self.experiment, self.costs, self.left, self.project = experiment, costs, left, project
        self.layout = Layout(experiment.config.results)
        paths = {job.timing for job in left}
        # A timing that was there before is of an earlier run: only a newer one says that the job is done.
        self.earlier = {path: modified(project / path) for path in paths}
        self.before = [path for path in self._timings() if f"{self.layout.timings}/{self._named(path)}" not in paths]

    def look(self) -> list[Seen]:
        """Return every job that was left, with its state now."""
        since = self._running_since()
        return [self._seen(job, since) for job in self.left]

    def show(self) -> Group:
        """Return what the terminal shows: jobs by stage, running jobs, failures, and the time left."""
        seen = self.look()
        running = Table("Running", "", title_justify="left", box=None)
        for one in seen:
            if one.state is State.RUNNING:
                running.add_row(one.name, one.said)
        failed = Table("Failed", "", box=None, style="red")
        for one in seen:
            if one.state is State.FAILED:
                failed.add_row(one.name, f"{one.said}\n{one.job.log}")
        parts = [self._stages(seen), *(table for table in (running, failed) if table.row_count)]
        return Group(*parts, self._outlook(seen))

    def finished(self) -> bool:
        """Say whether there is nothing to wait for: all jobs are done, or Snakemake does not run."""
        return self._running_since() is None or all(one.state is State.DONE for one in self.look())

    def _seen(self, job: PlannedJob, since: float | None) -> Seen:
        log, timing = modified(self.project / job.log), modified(self.project / job.timing)
        if job.timing and timing is not None and timing != self.earlier[job.timing]:
            return Seen(job, State.DONE)
        if not job.log or log is None or (timing is not None and timing > log):
            return Seen(job, State.WAITING)
        lines = tail(self.project / job.log)
        fault = next((line for line in reversed(lines) if FAILED.match(line)), None)
        if fault and lines[-1] == fault:
            return Seen(job, State.FAILED, fault)
        if since is not None and log >= since:
            return Seen(job, State.RUNNING, lines[-1] if lines else "")
        return Seen(job, State.WAITING)

    def _stages(self, seen: Iterable[Seen]) -> Table:
        """Count jobs by rule and state, those of earlier runs as done."""
        table = Table("Stage", *(state.value.capitalize() for state in State), "Seconds a job", title="Jobs")
        counts: dict[str, Counter[State]] = {}
        for path in self.before:
            counts.setdefault(self._named(path).parts[0], Counter())[State.DONE] += 1
        for one in seen:
            counts.setdefault(one.job.rule, Counter())[one.state] += 1
        for rule, states in counts.items():
            took = [seconds(path) for path in self._timings() if self._named(path).parts[0] == rule]
            mean = f"{sum(took) / len(took):,.1f}" if took else ""
            table.add_row(rule, *(f"{states[state]:,}" if states[state] else "" for state in State), mean)
        return table

    def _outlook(self, seen: Sequence[Seen]) -> str:
        """Say how long decoding is still expected to take, by the plan and by what finished decodes took."""
        if self._running_since() is None:
            left = sum(one.state is not State.DONE for one in seen)
            return "Everything is done." if not left else f"Snakemake is not running here; {left} jobs are left."
        decodes = [one for one in seen if one.job.decodes(self.experiment)]
        waiting = [one.job for one in decodes if one.state in (State.RUNNING, State.WAITING)]
        planned = [self.costs.job(job.checkpoint, job.decoding) for job in waiting]
        if not planned:
            return "All decoding is done."
        at_once = max(sum(one.state is State.RUNNING for one in decodes), 1)
        devices = at_once * max(1, *(job.gpus for job in planned))
        left = makespan([Job(job.seconds, max(job.gpus, 1)) for job in planned], devices)
        ratio = self._measured_over_planned(seen)
        corrected = f", {clock(left * ratio)} at the speed measured so far" if ratio else ""
        return f"Decoding left: {len(planned)} jobs, {clock(left)} by the plan{corrected}, {at_once} at a time."

    def _measured_over_planned(self, seen: Iterable[Seen]) -> float | None:
        """Return what finished decodes took over what was planned for them; None before the first is done."""
        done = [self.project / one.job.timing for one in seen if one.state is State.DONE and one.job.timing]
        took = planned = 0.0
        for path in [*self.before, *done]:
            rule, *name = self._named(path).with_suffix("").parts
            *checkpoint, decoding = name[:-1] if rule == AHEAD else name
            asked = "/".join(checkpoint), decoding
            if asked in self.experiment.asked and self.experiment.decodes(rule, *asked):
                took += seconds(path)
                planned += self.costs.job(*asked).seconds
        return took / planned if planned else None

    def _running_since(self) -> float | None:
        """Return when the Snakemake that runs in the project's folder began; None if none runs."""
        times = [modified(path) for path in (self.project / LOCKS).glob("*")]
        return min((time for time in times if time is not None), default=None)

    def _timing_root(self) -> Path:
        return self.project / self.layout.timings

    def _timings(self) -> list[Path]:
        return sorted(self._timing_root().rglob("*.tsv"))

    def _named(self, path: Path) -> Path:
        """Return ``<rule>/<name>.tsv``."""
        return path.relative_to(self._timing_root())


def modified(path: Path) -> float | None:
    """Return when a file was last written, None if there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def tail(path: Path) -> list[str]:
    """Return the last lines of a log that are not empty, progress bars as their last state."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - TAIL_BYTES))
        text = stream.read().decode(errors="replace")
    return [line.rsplit("\r", 1)[-1].strip() for line in text.split("\n") if line.strip()]


def seconds(path: Path) -> float:
    """Return how long a job took, by Snakemake's timing."""
    with path.open(encoding="utf-8") as stream:
        (row,) = csv.DictReader(stream, delimiter="\t")
    return float(row["s"])
