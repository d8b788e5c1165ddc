"""What jobs take that generate nothing: downloads, merges, calibrations, trainings, grading, tables."""

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from l2s.layout import fetched
from l2s.plan.costs import ASSUMED, MEASURED, Costs
from l2s.plan.estimates import OTHERS
from l2s.plan.jobs import PlannedJob

FROM_STORE = "decode, from the store"
"""Jobs whose responses others have decoded ahead."""


class Taken(NamedTuple):
    """What jobs of one kind take, one after the other.

    Attributes:
        kind: ``<rule>``, of merges ``merge/<method>``.
        jobs: How many there are.
        seconds: Of all together.
        source: Where the seconds for a unit of work are known from: MEASURED or ASSUMED.
    """

    kind: str
    jobs: int
    seconds: float
    source: str


def other_jobs(costs: Costs, jobs: Iterable[PlannedJob]) -> list[Taken]:
    """Estimate jobs that generate nothing, by the timings of the results folder, else by config/estimates.yaml."""
    counts: Counter[str] = Counter()
    units: Counter[str] = Counter()
    for job in jobs:
        if not job.decodes(costs.experiment):
            name = job.timing.partition(f"/timings/{job.rule}/")[2].removesuffix(".tsv")
            kind = FROM_STORE if job.decoding else kind_of(job.rule, name)
            counts[kind] += 1
            units[kind] += work(costs, job.rule, name)
    measured = seconds_measured(costs)
    table = costs.estimates.seconds
    taken = []
    for kind, count in counts.items():
        rule = kind.partition("/")[0]
        for_unit = measured.get(kind, table.get(kind, table.get(rule, table[OTHERS])))
        seconds = costs.estimates.job_start_seconds * count + for_unit * units[kind]
        taken.append(Taken(kind, count, seconds, MEASURED if kind in measured else ASSUMED))
    return taken


def kind_of(rule: str, name: str) -> str:
    """Return the kind of a job: its rule, and the method of a merge, by the name of what it makes."""
    return f"merge/{name.split('/')[1]}" if rule == "merge" else rule


def work(costs: Costs, rule: str, name: str) -> float:
    """Return how many units of work a job is; one whose size nothing tells is one."""
    parts = name.split("/")
    if rule == "grade":
        asked = "/".join(parts[:-2]), parts[-2]
        return sum(costs.responses(*asked).values()) / 1000 if asked in costs.experiment.asked else 1.0
    models = {
        "fetch_model": map(fetched, parts),
        "merge": [name],
        "train": [name],
        "measure_spectra": map(fetched, parts[1:]),
        "calibrate": map(fetched, parts[1:-1]),
    }.get(rule)
    sizes = [costs.experiment.elements(model) or 0 for model in models or ()]
    return 2e-9 * sum(sizes) or 1.0


def seconds_measured(costs: Costs) -> dict[str, float]:
    """Return by kind of job the seconds for each unit of work, over all jobs that the results folder has timed.

    Kinds whose jobs took hardly longer than to start are left out: what tiny models took tells nothing of large ones.
    """
    if costs.layout is None:
        return {}
    folder = Path(costs.layout.timings)
    seconds: Counter[str] = Counter()
    started: Counter[str] = Counter()
    units: Counter[str] = Counter()
    for file in folder.glob("*/**/*.tsv"):
        rule, _, name = str(file.relative_to(folder).with_suffix("")).partition("/")
        for row in csv.DictReader(file.read_text(encoding="utf-8").splitlines(), delimiter="\t"):
            kind = kind_of(rule, name)
            seconds[kind] += float(row["s"]) - costs.estimates.job_start_seconds
            started[kind] += costs.estimates.job_start_seconds
            units[kind] += work(costs, rule, name)
    return {kind: total / units[kind] for kind, total in seconds.items() if total > started[kind]}
