"""The jobs that made the files of a results folder, from Snakemake's records of its outputs."""

import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from l2s.checkpoints.manifest import MANIFEST_NAME
from l2s.layout import Layout

Lookup = Callable[[str], Any]
"""From an output's path to Snakemake's record of it (``rule``, ``input``, ``log``, ``starttime``, ``endtime``)."""


@dataclass
class Job:
    """One job.

    Attributes:
        name: The rule, and what the job's log is called.
        rule: The rule.
        inputs: The files that it read, as Snakemake names them.
        started: Seconds since 1970, as ``ended``.
        results: The covered files that it wrote, relative to the results folder.
        peak_mb: Peak resident memory in MB, None if it was not measured.
    """

    name: str
    rule: str
    inputs: list[str]
    started: float
    ended: float
    results: list[str] = field(default_factory=list)
    peak_mb: str | None = None

    @property
    def source(self) -> str:
        """What the job's log is called in the folder of its rule: for jobs that read sources, the entry."""
        return self.name.removeprefix(f"{self.rule}/")


def jobs_of(layout: Layout, files: list[str], lookup: Lookup) -> list[Job]:
    """Return the jobs that made files, sorted by name, each with all that it wrote.

    What a job leaves beside its declared outputs, such as weights beside a manifest, counts as its result.
    """
    records = {file: lookup(f"{layout.results}/{file}") for file in files}
    jobs: dict[str, Job] = {}
    for file in files:
        record = next((found for name in (file, *_declared_beside(file)) if (found := records.get(name))), None)
        if record is None or not record.log or record.starttime is None:
            continue
        name = record.log[0].removeprefix(f"{layout.results}/logs/").removesuffix(".log")
        job = jobs.setdefault(
            name, Job(name, record.rule, list(record.input), record.starttime, record.endtime, [], _peak(layout, name))
        )
        job.results.append(file)
    return [jobs[name] for name in sorted(jobs)]


def _declared_beside(file: str) -> list[str]:
    """Return the outputs that a file may lie beside: a manifest above it, or one that shares its name."""
    path = PurePosixPath(file)
    return [str(path.with_suffix(".json")), *(str(parent / MANIFEST_NAME) for parent in path.parents)]


def _peak(layout: Layout, name: str) -> str | None:
    rule, _, output = name.partition("/")
    timing = Path(layout.timing(rule, output))
    if not timing.is_file():
        return None
    with timing.open(encoding="utf-8") as stream:
        (row, *_) = [*csv.DictReader(stream, delimiter="\t"), {}]
    peak = row.get("max_rss")
    return peak if peak not in (None, "-", "NA") else None


def moment(seconds: float) -> str:
    """Return a time as ISO 8601, in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
