"""One line at the start of a run: how much decoding there is, and how long it is expected to take."""

from collections.abc import Sequence

from l2s.plan.costs import Costs
from l2s.plan.schedule import makespan
from l2s.progress import clock


def outlook(costs: Costs, asked: Sequence[tuple[str, str]], at_once: tuple[int, int] | None) -> str:
    """Return the line.

    Args:
        costs: The estimates.
        asked: The decode jobs that would run: checkpoint and decode settings.
        at_once: Cores and GPUs of this machine that the run may use; None: the jobs go to a cluster.
    """
    jobs = "1 job" if len(asked) == 1 else f"{len(asked):,} jobs"
    if at_once is None:
        hours = sum(job.seconds * job.gpus for job in (costs.job(*one) for one in asked)) / 3600
        return f"decoding: {jobs}, about {hours:,.1f} GPU hours by the estimates"
    cores, gpus = at_once
    on_gpus = [job for one in asked if (job := costs.job(*one)).gpus]
    on_cpu = [costs.cpu_job(*one, cores) for one in asked if not costs.experiment.decoding_of(*one).gpus]
    seconds = max(makespan(on_gpus, gpus), makespan(on_cpu, cores))
    return f"decoding: {jobs}, about {clock(seconds)} by the estimates"
