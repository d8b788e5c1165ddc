"""What a search found: the verdict on its finalists, whether something cheaper does as well, and how it went."""

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from l2s.config import StrictModel
from l2s.search.measures import BUDGET, FINALIST, PLAIN, Measure, Measured
from l2s.search.standing import Round, Standing, front, latest


class Found(StrictModel):
    """The setting that a search found."""

    name: str = Field(description="method and hyper-parameters, as tables name it")
    checkpoint: str = Field(description="its checkpoint's name")
    recipe: dict[str, Any] = Field(description="with every hyper-parameter spelled out")


class Point(StrictModel):
    """A candidate as it stood in the last round of selection that asked it."""

    name: str
    checkpoint: str
    round_name: str
    questions: int
    loss: float = Field(description="accuracy lost against the slow model, in [-1, 1]")
    loss_bound: float = Field(description="the most that may be lost: one-sided 95 % bound")
    length_change: float = Field(description="mean length over the slow model's, minus 1")
    verdict: str
    on_front: bool = Field(description="whether no other candidate beats it in loss and length")


class Progress(StrictModel):
    """How far the search was after a candidate."""

    round_name: str
    tokens: int = Field(description="tokens that had been decoded by then")
    length_change: float | None = Field(description="of the best candidate by then; None: none within the allowed loss")


class Verdict(StrictModel):
    """What a search found."""

    title: str
    allowed_loss: float = Field(description="in points of accuracy")
    sentence: str = Field(description="the verdict in words")
    found: Found | None = Field(description="the setting that keeps the promise; None: none does")
    cheaper: str | None = Field(description="what cheaper thing does as well, in words; None: nothing does")
    questions: int = Field(description="questions of the report, over all benchmarks")
    report: tuple[Measured, ...] = Field(description="everything that was asked the report's questions")
    by_benchmark: dict[str, str] = Field(description="with several: which setting is the shortest on each, in words")
    tried: tuple[Point, ...] = Field(description="every candidate of selection")
    progress: tuple[Progress, ...]


def judge(title: str, allowed_loss: float, rounds: list[Round], report: Round, measured: list[Measured]) -> Verdict:
    """Return what a search found.

    Finalists are tested in the order that was fixed before they were asked the report's questions; the first that is
    not shown to lose no more than allowed ends it, and the last that is shown before is the result.

    Args:
        title: The search's.
        allowed_loss: In points.
        rounds: The rounds of selection.
        report: The last round; its candidates are the finalists, in their order.
        measured: Everything that was asked the report's questions.
    """
    by_checkpoint = {one.checkpoint: one for one in measured if one.kind == FINALIST}
    passed: list[Standing] = []
    for one in report.standings:
        if not by_checkpoint[one.checkpoint].overall.shown:
            break
        passed.append(one)
    shorter = [one for one in passed if by_checkpoint[one.checkpoint].overall.shorter]
    chosen = min(shorter, key=lambda one: by_checkpoint[one.checkpoint].overall.tokens, default=None)
    result = by_checkpoint[chosen.checkpoint] if chosen else None
    found = Found(name=chosen.label, checkpoint=chosen.checkpoint, recipe=chosen.candidate.recipe) if chosen else None
    return Verdict(
        title=title,
        allowed_loss=allowed_loss,
        sentence=sentence(result, report, by_checkpoint, allowed_loss),
        found=found,
        cheaper=cheaper(result, measured),
        questions=report.questions,
        report=tuple(measured),
        by_benchmark=best_by_benchmark(result, measured),
        tried=tuple(_points(rounds)),
        progress=tuple(progress(rounds, allowed_loss)),
    )


def points(share: float) -> str:
    """Return a share as points of accuracy, with one decimal."""
    return f"{round(100 * share, 1) + 0.0:.1f}"  # without the sign of a rounded nothing


def shorter_by(measure: Measure) -> str:
    """Say how much shorter than the slow model something is, e.g. ``38 % shorter [35, 41]``."""
    if measure.length_change is None:
        return "of no comparable length"
    way, sign = ("shorter", -1) if measure.length_change <= 0 else ("longer", 1)
    limits = (measure.length_change_low, measure.length_change_high)
    if None in limits:
        return f"{100 * sign * measure.length_change:.0f} % {way}"
    low, high = sorted(100 * sign * limit for limit in limits)
    return f"{100 * sign * measure.length_change:.0f} % {way} [{low:.0f}, {high:.0f}]"


def sentence(result: Measured | None, report: Round, finalists: dict[str, Measured], allowed_loss: float) -> str:
    """Return the verdict in words."""
    if result:
        bound = points(max(0.0, result.overall.loss_bound))
        return f"shown: at most {bound} points worse, {shorter_by(result.overall)}"
    lost = f"that no more than {allowed_loss:g} points are lost"
    if not report.standings:
        return f"not shown {lost}: every candidate was refuted before the report"
    first = finalists[report.standings[0].checkpoint]
    if first.overall.shown:
        return f"not shorter: {first.name} is shown to lose no more than {allowed_loss:g} points, but not to be shorter"
    return (
        f"not shown {lost}: of {first.name}, which lost least in selection, the report's {report.questions:,} "
        f"questions only show that it is at most {points(first.overall.loss_bound)} points worse"
    )


def cheaper(result: Measured | None, measured: Iterable[Measured]) -> str | None:
    """Say what needs no search and is as good as the result, the shortest first: shown, and no longer than it."""
    limit = result.overall.tokens if result else float("inf")
    keeping = [one for one in measured if one.overall.shown and one.overall.shorter and not one.searched]
    as_good = [one for one in keeping if one.overall.tokens <= limit]
    if not as_good:
        return None
    best = min(as_good, key=lambda one: one.overall.tokens)
    also = f" ({len(as_good) - 1} more below)" if len(as_good) > 1 else ""
    than = "no longer than what was found" if result else "though nothing that was searched is"
    note = "; its accuracy counts cut responses as they are graded" if best.kind == BUDGET else ""
    return (
        f"{best.name} needs no search and is shown to lose no more than is allowed, {than}: "
        f"{shorter_by(best.overall)}{also}{note}"
    )


def best_by_benchmark(result: Measured | None, measured: Iterable[Measured]) -> dict[str, str]:
    """Say of each of several benchmarks which merge is the shortest that is shown on it, and how the result does."""
    merges = [one for one in measured if one.kind in (FINALIST, PLAIN)]
    names = list(merges[0].benchmarks) if merges else []
    if len(names) < 2:
        return {}
    words = {}
    for name in names:
        shown = [one for one in merges if one.benchmarks[name].shown]
        best = min(shown, key=lambda one: one.benchmarks[name].tokens, default=None)
        if best is None:
            words[name] = "no merge is shown to lose no more than is allowed on this benchmark alone"
        elif result and best.checkpoint == result.checkpoint:
            words[name] = f"the result itself: {shorter_by(best.benchmarks[name])}"
        else:
            beside = f"; the result: {shorter_by(result.benchmarks[name])}" if result else ""
            words[name] = f"{best.name}: {shorter_by(best.benchmarks[name])}{beside}"
    return words


def _points(rounds: list[Round]) -> Iterable[Point]:
    stands = latest(rounds)
    best = {one.checkpoint for one in front(stands)}
    last = {one.checkpoint: played for played in rounds for one in played.standings}
    for one in sorted(stands, key=lambda one: (one.length_change, one.label)):
        yield Point(
            name=one.label,
            checkpoint=one.checkpoint,
            round_name=last[one.checkpoint].name,
            questions=last[one.checkpoint].questions,
            loss=one.loss,
            loss_bound=one.loss_bound,
            length_change=one.length_change,
            verdict=one.verdict,
            on_front=one.checkpoint in best,
        )


def progress(rounds: Iterable[Round], allowed_loss: float) -> Iterable[Progress]:
    """Yield how far a search was after each candidate: the tokens decoded by then, and the shortest candidate by then
    that has lost no more than is allowed. A later round decodes only what earlier ones have not."""
    known: dict[str, Standing] = {}
    decoded, reference = 0, 0
    for played in rounds:
        decoded, reference = decoded + played.reference_tokens - reference, played.reference_tokens
        for one in played.standings:
            decoded += one.tokens - (known[one.checkpoint].tokens if one.checkpoint in known else 0)
            known[one.checkpoint] = one
            within = [other.length_change for other in known.values() if other.loss <= allowed_loss / 100]
            yield Progress(round_name=played.name, tokens=decoded, length_change=min(within, default=None))
