"""How many questions it takes to show that no more than the allowed loss is lost, before anything is asked.

The bound is that of ``analysis/paired.py``: of the questions' differences and of two more, one that each side won,
with Student's t. What is not known before is on how many questions a merge and the slow model disagree. Two numbers are
given: how many questions it takes if they never do (fewer can show nothing, however equal the answers), and how many if
they disagree as often as assumed, neither being better, so that four of five such searches would show it.
"""

from math import ceil, sqrt
from typing import NamedTuple

from scipy.stats import norm, t

from l2s.analysis.paired import LEVEL, POWER

ROUND_TO = 3  # digits of a number of questions in a message: it rests on an assumption


class Sizing(NamedTuple):
    """What a number of questions can show.

    Attributes:
        least: The fewest questions that can show the allowed loss, if the two never disagree.
        wanted: The fewest that show it four times out of five, at the assumed disagreement.
        smallest_loss: What the given questions show four times out of five, in points.
    """

    least: int
    wanted: int
    smallest_loss: float


def bound(questions: int, disagreement: float, power: float = 0.0) -> float:
    """Return the loss, in [0, 1], that so many questions rule out if two checkpoints are equally accurate.

    Args:
        questions: How many are asked.
        disagreement: Share of questions that one of the two gets right and the other does not.
        power: How often it is to be ruled out; 0: as the differences come out on average.
    """
    values = questions + 2
    variance = (disagreement * questions + 2) / (values - 1)
    error = sqrt(variance / values)
    margin = norm.isf(1 - power) * error if power else 0.0
    return float(t.isf(LEVEL, values - 1) * error + margin)


def sizing(questions: int, allowed_loss: float, disagreement: float) -> Sizing:
    """Return what a number of questions can show.

    Args:
        questions: Of the report, over all benchmarks; they are taken for one sample, which is nearly what the mean over
            benchmarks of one size is.
        allowed_loss: In points, above 0.
        disagreement: The assumed share of questions on which a merge and the slow model disagree.
    """
    allowed = allowed_loss / 100
    return Sizing(
        least_questions(allowed_loss),
        _fewest(allowed, disagreement, POWER),
        100 * bound(max(1, questions), disagreement, POWER),
    )


def _fewest(allowed: float, disagreement: float, power: float) -> int:
    """Return the fewest questions whose bound is below the allowed loss, by halving; the bound falls with each one."""
    low, high = 0, 1
    while bound(high, disagreement, power) >= allowed:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if bound(middle, disagreement, power) < allowed else (middle, high)
    return high


def least_questions(allowed_loss: float) -> int:
    """Return the fewest questions that can show an allowed loss, in points, if the two never disagree."""
    return _fewest(allowed_loss / 100, 0.0, 0.0)


def too_few(questions: int, allowed_loss: float, disagreement: float) -> str | None:
    """Say that a report has too few questions for the allowed loss, and what would do; None if they are enough."""
    found = sizing(questions, allowed_loss, disagreement)
    if questions >= found.wanted:
        return None
    can = "cannot be shown, however equal the answers" if questions < found.least else "will rarely be shown"
    # Nobody allows 23.7 points; the next tenth of a point up is shown as well.
    instead = ceil(10 * found.smallest_loss) / 10
    return (
        f"with {questions:,} questions to report on, a loss of {allowed_loss:g} points {can}; {_rounded(found.wanted)} "
        f"would do, or allow {instead:g} points (assumed: merge and slow model disagree on {disagreement:.1%} of the "
        "questions, and neither is better)"
    )


def _rounded(number: int) -> str:
    """Return a number rounded up to a few digits."""
    unit = 10 ** max(0, len(str(number)) - ROUND_TO + 1)
    return f"{ceil(number / unit) * unit:,}"
