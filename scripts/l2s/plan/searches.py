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
    table = Table("Search", "Round", "Merges", "Questions", "Responses", "GPU hours", "Cost", title="Searches, at most")
    for name in experiment.targets:
        study = experiment.studies[name]
        if not isinstance(study, SearchStudy):
            continue
        for planned in planned_rounds(study, experiment):
            responses = sum(map(sum, (part.values() for part in (planned.merged, planned.slow, planned.quick))))
            hours = gpu_hours(study, planned, experiment, costs)
            price = hours * costs.estimates.price_per_gpu_hour
            shown = [f"{hours:,.1f}", f"${price:,.0f}"] if hours else ["", ""]
            asked = f"{sum(planned.questions.values()):,}"
            table.add_row(name, planned.name, str(planned.decoded), asked, f"{responses:,}", *shown)
        recipes = f"of {grid_size(study.items('plan', experiment.registry)):,}"
        table.add_row(name, "space", recipes, "", "", "", "")
    return table


def gpu_hours(study: SearchStudy, planned: PlannedRound, experiment: Experiment, costs: Costs) -> float:
    """Return the GPU hours of a round; 0 where it is decoded on the CPU."""
    pair = experiment.registry.pair(study.pair, "plan")
    settings = experiment.registry.decoding(study.decoding)
    seconds = 0.0
    for model, role, asked in (
        (pair.slow[0], Role.MERGED, planned.merged),
        (pair.slow[0], Role.SLOW, planned.slow),
        (pair.quick, Role.QUICK, planned.quick),
    ):
        if not asked:
            continue
        elements = experiment.elements(fetched(model)) or 0
        own = settings.for_roles([role]).for_checkpoint(elements, heads=None)
        size = own.weight_bytes(elements)
        starts = planned.decoded if role == Role.MERGED else 1
        tokens = costs.estimates.tokens(role.value, asked, own.max_new_tokens)
        working = tokens / costs.estimates.tokens_per_second(size)
        seconds += (own.gpus or 0) * (working + starts * costs.estimates.start_seconds)
    return seconds / 3600
