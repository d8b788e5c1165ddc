"""Grading of many responses by one grader, each step in a worker process that can be killed."""

import importlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from l2s.grading.contract import Case, Found, Outcome, Verdict
from l2s.grading.store import AnswerStore
from l2s.grading.workers import Ended, Limits, call_each
from l2s.progress import Progress

# The toolkit gives a comparison 3 s. Here a limit that is too short would cost a right answer on a busy machine.
LIMITS = Limits(seconds=6.0, bytes=1024**3)
KEPT_AT_ONCE = 500  # comparisons; what a job that is killed has to do again


def grade_cases(
    cases: Sequence[Case], module: str, workers: int, limits: Limits = LIMITS, answers: AnswerStore | None = None
) -> list[Verdict]:
    """Grade responses.

    Args:
        cases: The responses.
        module: The grader's module.
        workers: Number of worker processes.
        limits: What reading a gold answer, finding an answer and comparing the two may each use.
        answers: What the grader has said of answers, which is asked first and told what is new; None: nothing.

    Returns:
        A verdict on each response, in their order.
    """
    grader = importlib.import_module(module)
    # The first parse takes a second. Done before workers are forked, it is done for all of them.
    grader.compare("\\frac{1}{2}", "\\frac{1}{3}")
    run = partial(_run, workers=workers, limits=limits)

    golds = run("gold answers", grader.read_gold, ((case.gold, case.benchmark) for case in cases))
    gold = {case: golds[case.gold, case.benchmark] for case in cases}
    searches = run(
        "responses",
        grader.find,
        ((case.text, gold[case].value, case.benchmark) for case in cases if not gold[case].fault),
    )
    found = {case: searches.get((case.text, gold[case].value, case.benchmark)) for case in cases}
    pairs = [(found[case].value.answer, gold[case].value) for case in cases if found[case] and found[case].value]
    known = {pair: Ended(said) for pair in pairs if answers and (said := answers.get(pair))}
    new = (pair for pair in pairs if pair not in known)
    comparisons = known | run("comparisons", grader.compare, new, keep=answers.add if answers else None)

    def verdict(case: Case) -> Verdict:
        for ended in (gold[case], found[case]):
            if ended.fault:
                return _failure(ended, None)
        answer = found[case].value
        if answer is None:
            return Verdict(Outcome.NO_ANSWER)
        comparison = comparisons[answer.answer, gold[case].value]
        if comparison.fault:
            return _failure(comparison, answer)
        right, gold_parsed = comparison.value
        return Verdict(Outcome.CORRECT if right else Outcome.WRONG, answer, gold_parsed)

    return [verdict(case) for case in cases]


def _failure(ended: Ended, found: Found | None) -> Verdict:
    return Verdict(Outcome.TIMEOUT if ended.timed_out else Outcome.ERROR, found, fault=ended.fault)


def _run(
    what: str,
    function: Callable,
    arguments: Iterable[tuple],
    workers: int,
    limits: Limits,
    keep: Callable[[dict[tuple, Any]], None] | None = None,
) -> dict[tuple, Ended]:
    """Call a function with each different tuple of arguments, once; values are kept by ``keep`` as they come."""
    different = list(dict.fromkeys(arguments))
    progress = Progress("grade", len(different), what)
    results: dict[tuple, Ended] = {}
    values: dict[tuple, Any] = {}
    for args, ended in zip(different, call_each(function, different, workers, limits), strict=True):
        results[args] = ended
        progress.add(1)
        if keep and not ended.fault:
            values[args] = ended.value
            if len(values) == KEPT_AT_ONCE:
                keep(values)
                values = {}
    if keep:
        keep(values)
    return results
