"""How jobs fill several GPUs: a simulation of Snakemake's scheduling by priority, and the bound that none can beat."""

import heapq
from collections.abc import Sequence
from typing import NamedTuple


class Job(NamedTuple):
    """A job: how long it takes, on how many GPUs at once."""

    seconds: float
    gpus: int


def makespan(jobs: Sequence[Job], gpus: int) -> float:
    """Return when the last job ends, in seconds, if the longest jobs go first.

    Whenever GPUs are free, the first waiting job that fits on them starts, as with Snakemake's priorities.

    Raises:
        ValueError: A job asks for more GPUs than there are.
    """
    waiting = sorted(jobs, key=lambda job: -job.seconds)
    if any(job.gpus > gpus for job in waiting):
        raise ValueError(f"a job asks for more than {gpus} GPUs")
    now, free = 0.0, gpus
    running: list[tuple[float, int]] = []
    while waiting or running:
        fitting = next((job for job in waiting if job.gpus <= free), None)
        if fitting:
            waiting.remove(fitting)
            heapq.heappush(running, (now + fitting.seconds, fitting.gpus))
            free -= fitting.gpus
        else:
            now, released = heapq.heappop(running)
            free += released
    return now


def lower_bound(jobs: Sequence[Job], gpus: int) -> float:
    """Return a time in seconds that no schedule beats: all work spread evenly, or the longest job."""
    work = sum(job.seconds * job.gpus for job in jobs) / gpus
    return max(work, max((job.seconds for job in jobs), default=0.0))
