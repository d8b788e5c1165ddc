"""What decoding on this machine's CPU would take: time by role, and memory."""

import os
from collections.abc import Iterable

from rich.table import Table

from l2s.decoding.settings import Role
from l2s.experiment.ahead import Asked
from l2s.plan.checks import Check
from l2s.plan.costs import Costs
from l2s.plan.schedule import makespan
from l2s.progress import clock


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def cpu_table(costs: Costs, asked: list[Asked], jobs: list[Asked]) -> Table:
    """Show questions, tokens and time of decoding on the CPU, by what checkpoints are.

    Args:
        costs: The estimates.
        asked: What is asked.
        jobs: What each job is named after that generates some of it.
    """
    title = f"Decoding on the CPU, {cores()} cores"
    table = Table("What", "Checkpoints", "Responses", "Tokens, about", "One alone, about", title=title)
    for role in Role:
        own = [one for one in asked if costs.role(one[0]) is role]
        if own:
            responses = sum(sum(costs.responses(*one).values()) for one in own)
            tokens = sum(costs.tokens(*one) for one in own)
            longest = max(costs.decode_seconds(*one) for one in own)
            table.add_row(role, f"{len(own):,}", f"{responses:,}", f"{tokens:,.0f}", clock(longest))
    seconds = makespan([costs.cpu_job(*one, cores()) for one in jobs], cores())
    table.add_row("all together", f"{len(asked):,}", "", "", clock(seconds), style="bold")
    return table


def check_cpu_memory(costs: Costs, asked: Iterable[Asked]) -> Check:
    """Compare this machine's memory with what the decode jobs take that run at a time."""
    asked = list(asked)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    largest = max(costs.weight_bytes(*one) for one in asked)
    together = min(len(asked), cores() // min(costs.cpu_threads(*one, cores()) for one in asked))
    line = (
        f"memory: the largest checkpoint takes {largest / 1e9:,.1f} GB and room for its responses, {together} decode "
        f"jobs may run at a time, and this machine has {machine / 1e9:,.0f} GB"
    )
    # Responses in the making need about a quarter more.
    fits = 1.25 * largest * together <= machine
    return Check(
        fits, line if fits else f"{line}; run with --resources mem_mb={machine * 8 // 10**7}, or fewer --cores"
    )
