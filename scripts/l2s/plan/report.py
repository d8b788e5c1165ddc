"""What a plan shows: tables of jobs, studies, schedules, sizes and assumptions, and checks of this machine."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub.constants import HF_HUB_CACHE
from rich.console import Console
from rich.table import Table

from l2s.config import read_entry
from l2s.experiment import Experiment
from l2s.experiment.ahead import Asked
from l2s.experiment.assumptions import assumptions_of
from l2s.experiment.context_lengths import unreachable_budget
from l2s.gpus import device_here
from l2s.layout import MODELS, Layout
from l2s.plan.checks import Check, check_disks, check_hub, gigabytes
from l2s.plan.costs import Costs
from l2s.plan.devices import gpu_needs
from l2s.plan.estimates import Estimates
from l2s.plan.jobs import PlannedJob, jobs_to_run
from l2s.plan.machine import check_free, check_machine, gpu_settings
from l2s.plan.on_cpu import check_cpu_memory, cpu_table
from l2s.plan.other_jobs import Taken, other_jobs
from l2s.plan.prompts import check_prompts
from l2s.plan.schedule import Job, lower_bound, makespan
from l2s.plan.searches import search_notes, searches_table
from l2s.progress import clock

GPU_COUNTS = (1, 4, 8)


class Decode(NamedTuple):
    """A job that generates responses: with which checkpoints, by which decode settings, and its estimate."""

    checkpoints: tuple[str, ...]
    decoding: str
    job: Job

    @property
    def asked(self) -> Asked:
        """What it is named after: its first checkpoint, and the settings."""
        return self.checkpoints[0], self.decoding


Decodes = list[Decode]


def print_plan(config: dict[str, Any], project: Path, console: Console) -> None:
    """Print the plan of a configuration.

    Args:
        config: The top-level configuration.
        project: The project's folder.
        console: Where to print.
    """
    folder = project / "config"
    experiment = Experiment(config, folder)
    costs = Costs(experiment, read_entry(folder / "estimates.yaml", Estimates), Layout(experiment.config.results))
    jobs = jobs_to_run(config, project)
    decodes = [
        Decode(checkpoints, job.decoding, costs.job(job.checkpoint, job.decoding))
        for job in jobs
        if (checkpoints := job.decodes(experiment))
    ]
    asked = list(dict.fromkeys((checkpoint, one.decoding) for one in decodes for checkpoint in one.checkpoints))
    merges = [job.checkpoint for job in jobs if job.rule == "merge"]
    models = [job.wildcards["model"] for job in jobs if job.rule == "fetch_model"]
    remote = [name for name in models if experiment.registry.model(name).repo]
    downloads = {name: experiment.size(f"{MODELS}/{name}") or 0 for name in remote}
    taken = other_jobs(costs, jobs)
    console.print(jobs_table(costs, decodes, taken))
    if any(one.job.gpus for one in decodes):
        console.print(studies_table(experiment, decodes))
        console.print(schedule_table([one.job for one in decodes], costs.estimates.price_per_gpu_hour))
    on_cpu = [one for one in decodes if not one.job.gpus]
    if on_cpu:
        alone = [one for one in asked if not experiment.decoding_of(*one).gpus]
        console.print(cpu_table(costs, alone, [one.asked for one in on_cpu]))
    if (searches := searches_table(experiment, costs)).row_count:
        console.print(searches)
    sizes = [experiment.size(name) or 0 for name in merges]
    seconds = sum(one.seconds for one in taken if one.kind == "fetch_model" and downloads)
    console.print(sizes_table(downloads, seconds, sizes))
    if (assumptions := assumptions_table(experiment)).row_count:
        console.print(assumptions)
    needs = [(Path(HF_HUB_CACHE), sum(downloads.values())), merged_need(experiment, sizes)]
    repos = [experiment.registry.model(name).repo for name in downloads]
    checks = [*check_disks(needs), *check_memory(costs, decodes), *check_hub(repos), *check_prompts(experiment)]
    print_checks([*checks, *check_gpus(experiment, jobs, decodes)], console)
    notes = [*unreachable_budgets(experiment), *short_budgets(costs, asked), *search_notes(experiment)]
    print_notes([*notes, *unknown_sizes(experiment, asked)], console)


def check_gpus(experiment: Experiment, jobs: list[PlannedJob], decodes: Decodes) -> list[Check]:
    """Check this machine's GPUs, or say what needs one where there is none."""
    needs = gpu_needs(experiment, [(job.rule, job.wildcards) for job in jobs])
    if device_here() == "cpu":
        elsewhere = "no GPU here (a cluster's nodes may have some: 'snakemake doctor' checks one)"
        return [Check(False, f"{elsewhere}; {sentence}") for sentence in needs]
    settings = gpu_settings(experiment, [one.asked for one in decodes])
    return [*check_machine(settings), *check_free(settings)] if needs else []


def print_checks(checks: Iterable[Check], console: Console) -> None:
    """Print a line for each check."""
    for check in checks:
        console.print("[green]fine[/]" if check.good else "[red]to do[/]", end=" ")
        console.print(check.line, highlight=False, soft_wrap=True, markup=False)


def print_notes(notes: Iterable[str], console: Console) -> None:
    """Print a line for each note, and what the tables' words for sources mean."""
    for sentence in notes:
        console.print("[yellow]note[/]", sentence, highlight=False, soft_wrap=True)
    sources = (
        "Measured: by this results folder. Published: in config/published, of the same pair. Assumed: in "
        "config/estimates.yaml."
    )
    console.print(sources, style="dim", soft_wrap=True)


def jobs_table(costs: Costs, decodes: Decodes, taken: list[Taken]) -> Table:
    """Show by kind how many jobs there are, what they take one after the other, and where that is known from."""
    hours = gpu_hours(one.job for one in decodes)
    table = Table("Jobs", "Number", "Time", "GPU hours", "Known from", title="What would run, one job after the other")
    if decodes:
        phrases = dict.fromkeys(phrase for one in decodes for phrase in costs.known_from(*one.asked))
        seconds = sum(one.job.seconds for one in decodes)
        of_gpus = f"{hours:,.1f}" if hours else ""
        table.add_row("decode", f"{len(decodes):,}", clock(seconds), of_gpus, "; ".join(phrases))
    for one in taken:
        table.add_row(one.kind, f"{one.jobs:,}", clock(one.seconds), "", one.source)
    total = sum(one.seconds for one in taken) + sum(one.job.seconds for one in decodes)
    count = sum(one.jobs for one in taken) + len(decodes)
    table.add_row("all together", f"{count:,}", clock(total), "", "", style="bold")
    return table


def studies_table(experiment: Experiment, decodes: Decodes) -> Table:
    """Show what each study would decode; what several share counts in each."""
    table = Table("Study", "Decode jobs", "GPU hours", title="By study (shared jobs count in each)")
    for name, lines in experiment.lines.items():
        checkpoints = {checkpoint for line in lines for checkpoint in (line.checkpoint, line.reference)}
        settings = experiment.studies[name].decodings
        own = [one.job for one in decodes if not checkpoints.isdisjoint(one.checkpoints) and one.decoding in settings]
        table.add_row(name, f"{len(own):,}", f"{gpu_hours(own):,.1f}")
    return table


def schedule_table(jobs: list[Job], price: float) -> Table:
    """Show how long the decode jobs would take on several GPUs, and what they would cost."""
    table = Table("GPUs", "Time", "At least", "Cost", title="Decoding, the longest jobs first")
    for gpus in GPU_COUNTS:
        if all(job.gpus <= gpus for job in jobs):
            seconds = makespan(jobs, gpus)
            cost = f"${seconds / 3600 * gpus * price:,.0f}"
            table.add_row(str(gpus), clock(seconds), clock(lower_bound(jobs, gpus)), cost)
        else:
            table.add_row(str(gpus), "too few for a job", "", "")
    return table


def sizes_table(downloads: dict[str, int], seconds: float, merged: list[int]) -> Table:
    """Show what is downloaded, and the disk that merged weights take."""
    table = Table("", "Number", "GB", title="Sizes")
    total = sum(downloads.values())
    table.add_row("models to download", str(len(downloads)), f"{gigabytes(total)} ({clock(seconds)})")
    table.add_row("merged checkpoints, all kept", str(len(merged)), gigabytes(sum(merged)))
    running = at_a_time(merged)
    label = f"the same, keep_checkpoints: false, {max(GPU_COUNTS)} GPUs, at most"
    table.add_row(label, str(len(running)), gigabytes(sum(running)))
    return table


def assumptions_table(experiment: Experiment) -> Table:
    """Show what was chosen where the paper is silent, as far as it reaches a line of the experiment."""
    table = Table(
        "Assumption", "Choice", "Study", "Numbers", title="Where the paper is silent (config/assumptions.yaml)"
    )
    for name, assumption, numbers in assumptions_of(experiment):
        table.add_row(name, assumption.choice, assumption.study or "", str(numbers))
    return table


def unreachable_budgets(experiment: Experiment) -> list[str]:
    """Say which checkpoints can never use up their budget, each sentence once."""
    said = [unreachable_budget(experiment, checkpoint, decoding) for checkpoint, decoding in sorted(experiment.asked)]
    return [sentence for sentence in dict.fromkeys(said) if sentence]


def unknown_sizes(experiment: Experiment, asked: Iterable[Asked]) -> list[str]:
    """Name the checkpoints whose size nothing tells."""
    unknown = [checkpoint for checkpoint, _ in asked if experiment.elements(checkpoint) is None]
    return [
        f"{name}: nothing tells how large it is, and it is planned like a 7B model; give key 'bytes' in its entry."
        for name in dict.fromkeys(unknown)
    ]


def short_budgets(costs: Costs, asked: Iterable[Asked]) -> list[str]:
    """Say which budgets are below the mean length that responses are expected to have, each sentence once."""
    said = []
    for checkpoint, decoding in asked:
        budget = costs.experiment.decoding_of(checkpoint, decoding).max_new_tokens
        role = costs.role(checkpoint)
        for benchmark in costs.experiment.asked[checkpoint, decoding]:
            length = costs.estimates.length(benchmark, role.value)
            if length and length > budget:
                said.append(
                    f"decode settings '{decoding}': the budget of {budget:,} tokens is below the mean length that "
                    f"{role} responses to {benchmark} are expected to have ({length:,.0f}): many will be truncated, "
                    "and their lengths are lower bounds; raise 'max_new_tokens'."
                )
    return list(dict.fromkeys(said))


def merged_need(experiment: Experiment, sizes: list[int]) -> tuple[Path, int]:
    """Return where merged weights will lie, and the most bytes that they take there."""
    config = experiment.config
    if config.keep_checkpoints:
        return Path(config.results), sum(sizes)
    return Path(config.scratch or config.results), sum(at_a_time(sizes))


def at_a_time(merged: list[int]) -> list[int]:
    """Return the sizes of the largest merged checkpoints that may exist together if none is kept: one a GPU."""
    return sorted(merged, reverse=True)[: max(GPU_COUNTS)]


def check_memory(costs: Costs, decodes: Decodes) -> list[Check]:
    """Say whether the CPU's memory will do, and on how many GPUs the largest checkpoint of each settings is decoded."""
    on_cpu = [one.asked for one in decodes if not one.job.gpus]
    checks = [check_cpu_memory(costs, on_cpu)] if on_cpu else []
    for decoding in dict.fromkeys(one.decoding for one in decodes):
        gpus = max(one.job.gpus for one in decodes if one.decoding == decoding)
        if gpus:
            checks.append(Check(True, f"memory: decode settings '{decoding}' put a checkpoint on {gpus} GPUs at most"))
    return checks


def gpu_hours(jobs: Iterable[Job]) -> float:
    """Return the GPU hours of jobs."""
    return sum(job.seconds * job.gpus for job in jobs) / 3600
