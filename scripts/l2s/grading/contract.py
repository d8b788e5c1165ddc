"""What a grader is: a module of ``graders/`` with three functions.

    read_gold(gold, benchmark) -> str               the right answer as answers are compared with it
    find(text, gold, benchmark) -> Found | None     the answer that a response gives; None if it gives none
    compare(answer, gold) -> Comparison             whether an answer is right

``gold`` is the benchmark's for the first, what the first returned for the others. Each takes plain text, so that it can
run in a process of its own that is killed when it takes too long, and so that equal pairs of answer and gold answer are
compared once. An exception is a failure of the grader.
"""

from typing import NamedTuple

from l2s.contracts.grades import Outcome


class Comparison(NamedTuple):
    """Whether an answer is right, and what the grader made of the gold answer, for people to read."""

    right: bool
    gold_parsed: str


class Found(NamedTuple):
    """An answer as it is compared, and the place in the response that it was taken from: [start, end) in characters."""

    answer: str
    start: int
    end: int


class Case(NamedTuple):
    """A response to be graded: its text, the right answer, and the name of the benchmark."""

    text: str
    gold: str
    benchmark: str


class Verdict(NamedTuple):
    """A grader's word on one response: the outcome, the answer found, the gold answer as parsed, the fault if any.

    The gold answer is None if none was compared with it.
    """

    outcome: Outcome
    found: Found | None = None
    gold_parsed: str | None = None
    fault: str | None = None
