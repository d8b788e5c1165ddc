"""What searches would decode: their rounds are known beforehand, which recipes they ask is not."""

from collections.abc import Iterator
from typing import NamedTuple

from rich.table import Table

from l2s.decoding.settings import Role
from l2s.experiment import Experiment
from l2s.experiment.studies.search import SearchStudy
from l2s.layout import fetched
from l2s.plan.costs import Costs
from l2s.search.proposals import grid_size
from l2s.search.split import REPORT


class PlannedRound(NamedTuple):
    """What a round asks.

    Attributes:
        name: Its name.
        questions: By benchmark, how many questions it asks.
        decoded: How many merges are asked them, at most.
        merged: How many responses of merges are new, at most, by benchmark.
        slow: How many of the slow model's are, likewise.
        quick: Of the quick model's, likewise.
    """

    name: str
    questions: dict[str, int]
    decoded: int
    merged: dict[str, int]
    slow: dict[str, int]
    quick: dict[str, int]


def planned_rounds(study: SearchStudy, experiment: Experiment) -> Iterator[PlannedRound]:
    """Yield the rounds of a search, as if no candidate were refuted and questions fell evenly."""
    entries = {name: experiment.registry.benchmark(name) for name in study.benchmarks}
    rows = {name: min(entry.rows, entry.first or entry.rows) for name, entry in entries.items()}
    selection = {name: round(count * (1 - study.report_share)) for name, count in rows.items()}
    before = dict.fromkeys(rows, 0)
    for name, one in zip(study.round_names, study.rounds, strict=False):
        asked = {key: min(count, one.questions or count) for key, count in selection.items()}
        more = {key: max(0, count - before[key]) for key, count in asked.items()}
        merged = {key: one.proposed * asked[key] + one.kept * more[key] for key in asked}
        yield PlannedRound(name, asked, one.proposed + one.kept, merged, more, {})
        before = asked
    report = {name: count - selection[name] for name, count in rows.items()}
    decoded = study.finalists + len(study.plain)
    slow = {name: count * (1 + (study.brief is not None)) for name, count in report.items()}
    merged = {name: decoded * count for name, count in report.items()}
    yield PlannedRound(REPORT, report, decoded, merged, slow, report)


def search_notes(experiment: Experiment) -> list[str]:
    """Say which searches have too few questions to show their allowed loss."""
    studies = {name: experiment.studies[name] for name in experiment.targets}
    said = {name: one.warning(experiment.registry) for name, one in studies.items() if isinstance(one, SearchStudy)}
    return [f"{name}: {words}" for name, words in said.items() if words]


def searches_table(experiment: Experiment, costs: Costs) -> Table:
    """Show what each search would decode, round by round, and what its space holds."""
    table = Table("Search", "Round", "Merges", "Questions", "Responses", "Hours", "Cost", title="Searches, at most")
    for name in experiment.targets:
        study = experiment.studies[name]
        if not isinstance(study, SearchStudy):
            continue
        for planned in planned_rounds(study, experiment):
            responses = sum(map(sum, (part.values() for part in (planned.merged, planned.slow, planned.quick))))
            hours, gpu_hours = job_hours(study, planned, experiment, costs)
            price = f"${gpu_hours * costs.estimates.price_per_gpu_hour:,.0f}" if gpu_hours else ""
            asked = f"{sum(planned.questions.values()):,}"
            table.add_row(name, planned.name, str(planned.decoded), asked, f"{responses:,}", f"{hours:,.1f}", price)
        recipes = f"of {grid_size(study.items('plan', experiment.registry)):,}"
        table.add_row(name, "space", recipes, "", "", "", "")
    return table


def job_hours(study: SearchStudy, planned: PlannedRound, experiment: Experiment, costs: Costs) -> tuple[float, float]:
    """Return the hours of a round's decode jobs one after the other, and the GPU hours of these."""
    pair = experiment.registry.pair(study.pair, "plan")
    settings, estimates = experiment.registry.decoding(study.decoding), costs.estimates
    hours = gpu_hours = 0.0
    for model, role, asked, jobs in (
        (pair.slow[0], Role.MERGED, planned.merged, planned.decoded),
        (pair.slow[0], Role.SLOW, planned.slow, 1),
        (pair.quick, Role.QUICK, planned.quick, bool(planned.quick)),
    ):
        elements = experiment.elements(fetched(model)) or 0
        own = settings.for_roles([role]).for_checkpoint(elements, heads=None)
        threads = 0 if own.gpus else own.cpu_threads
        start = estimates.cpu_start_seconds if threads else estimates.start_seconds
        speed = estimates.tokens_per_second(own.weight_bytes(elements), threads)
        seconds = jobs * start + estimates.tokens(role, asked, own.max_new_tokens) / speed
        hours, gpu_hours = hours + seconds / 3600, gpu_hours + (own.gpus or 0) * seconds / 3600
    return hours, gpu_hours
