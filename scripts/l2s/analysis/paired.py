"""Two checkpoints on the same questions: tests, intervals, and what the questions could have shown.

docs/statistics.md says what each number means, and how well the methods do in simulations with a known truth.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, bootstrap, norm, t
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.weightstats import DescrStatsW

from l2s.analysis.intervals import CONFIDENCE, Interval, mean_of_intervals

Floats = NDArray[np.float64]

LEAST = 5  # questions; of fewer, no interval of a change of length is given
LEVEL = 1 - CONFIDENCE
POWER = 0.80
SEED = 20250326
RESAMPLES = 2_000  # of the bootstrap
FLIPS = 99_999  # drawings of signs, where p-values are not computed
MOST_SUMS = 1_000_000  # that are looked at for a p-value
NEGLIGIBLE = 1e-20  # chance of a sum
LEAST_P = 1e-12  # what is neglected is far less
DECIMALS = 12  # of sums; equal ones come out of additions in other orders
TIED = 1e-9  # sums that differ by less are equal
CHUNK = 2_000_000  # values that are drawn at once

Verdict = str
SHOWN, NOT_SHOWN, REFUTED = "shown", "not shown", "refuted"


class Change(NamedTuple):
    """A relative change; limits are None where an interval would mislead."""

    value: float | None
    low: float | None
    high: float | None


class Difference(NamedTuple):
    """A difference in accuracy.

    Attributes:
        interval: With its two-sided 95 % limits.
        bounds: With its one-sided 95 % limits.
        standard_error: Of the difference, as the limits see it.
    """

    interval: Interval
    bounds: Interval
    standard_error: float


def difference(differences: Floats) -> Difference:
    """Return the mean difference of paired questions.

    The limits are those of Bonett and Price (2012, doi 10.3102/1076998611411915): of the mean of the differences and of
    two questions more, one that each checkpoint won. Thus equal answers to 30 questions do not pass for certainty.

    DEVIATES: quantiles are Student's, not the normal distribution's, and questions may have several samples.

    Args:
        differences: Of each question, the share of right samples minus the other checkpoint's, in [-1, 1].
    """
    values, counts = np.unique(np.concatenate([differences, [1.0, -1.0]]), return_counts=True)
    stats = DescrStatsW(values, weights=counts)
    value = float(np.mean(differences))

    def limits(alpha: float) -> Interval:
        low, high = stats.tconfint_mean(alpha=alpha)
        return Interval(value, max(-1.0, min(float(low), value)), min(1.0, max(float(high), value)))

    return Difference(limits(LEVEL), limits(2 * LEVEL), float(stats.std_mean))


def mean_difference(parts: Sequence[Difference]) -> Difference:
    """Return the unweighted mean of the differences of several benchmarks, limits as in ``mean_of_intervals``."""
    errors = np.array([part.standard_error for part in parts])
    return Difference(
        mean_of_intervals([part.interval for part in parts]),
        mean_of_intervals([part.bounds for part in parts]),
        float(np.linalg.norm(errors) / len(parts)),
    )


class Sums(NamedTuple):
    """The sums that differences may have, were their signs others.

    Attributes:
        values: Each sum once, ascending.
        chances: How likely each is; sums less likely than ``NEGLIGIBLE`` are left out.
    """

    values: Floats
    chances: Floats

    def plus(self, other: "Sums") -> "Sums":
        """Return the sums of one of these and one of those.

        Raises:
            OverflowError: There are more than ``MOST_SUMS``.
        """
        if len(self.values) * len(other.values) > MOST_SUMS:
            raise OverflowError
        chances = np.multiply.outer(self.chances, other.chances)
        likely = chances > NEGLIGIBLE
        values, place = np.unique(np.add.outer(self.values, other.values)[likely].round(DECIMALS), return_inverse=True)
        return Sums(values, np.bincount(place, chances[likely]))


NO_SUM = Sums(np.zeros(1), np.ones(1))


def p_value(differences: Sequence[Floats]) -> float:
    """Return the p-value of the hypothesis that two checkpoints are equally accurate.

    If neither is better, each question's difference may as well have the other sign: the p-value is the chance that the
    mean is then as far from zero as it is. With one benchmark and one sample per question this is McNemar's exact test.
    It is computed, or, where that would take too long, estimated from ``FLIPS`` drawings, and then at least
    1 / (FLIPS + 1).

    Args:
        differences: Of each benchmark, the differences of its questions; benchmarks count alike.
    """
    observed = abs(sum(float(part.mean()) for part in differences)) - TIED
    if observed <= 0:
        return 1.0
    benchmarks = [_sizes(part / len(part)) for part in differences]
    try:
        return _computed([_sums(sizes) for sizes in benchmarks], observed)
    except OverflowError:
        return _drawn(chain.from_iterable(benchmarks), observed)


def _sizes(differences: Floats) -> list[tuple[float, int]]:
    """Return how many differences there are of each size: of equals, only the number with either sign matters."""
    sizes = np.abs(differences[differences != 0])
    _, first, counts = np.unique(sizes.round(DECIMALS), return_index=True, return_counts=True)
    return list(zip(sizes[first], counts, strict=True))


def _sums(sizes: Sequence[tuple[float, int]]) -> Sums:
    sums = NO_SUM
    for size, count in sizes:
        positive = np.arange(count + 1)
        sums = sums.plus(Sums(size * (2 * positive - count), binom.pmf(positive, count, 0.5)))
    return sums


def _computed(parts: Sequence[Sums], observed: float) -> float:
    """Return the chance that the sum of one of each part is ``observed``, above 0, or more, or as far below zero.

    The parts are put together into two halves, so that not every sum of all needs to be looked at.
    """
    smaller, larger = NO_SUM, NO_SUM
    for part in sorted(parts, key=lambda part: len(part.values), reverse=True):
        smaller, larger = sorted((smaller.plus(part), larger), key=lambda half: len(half.values))
    at_least = np.append(larger.chances[::-1].cumsum()[::-1], 0)
    chance = smaller.chances @ at_least[np.searchsorted(larger.values, observed - smaller.values)]
    return min(1.0, max(LEAST_P, 2 * float(chance)))


def _drawn(sizes: Iterable[tuple[float, int]], observed: float) -> float:
    rng = np.random.default_rng(SEED)
    sums = sum(size * (2 * rng.binomial(count, 0.5, FLIPS) - count) for size, count in sizes)
    return float(1 + (np.abs(sums) >= observed).sum()) / (FLIPS + 1)


def holm(p_values: Sequence[float]) -> Floats:
    """Return p-values corrected for their number by Holm's method; none of none."""
    return multipletests(p_values, alpha=LEVEL, method="holm")[1] if len(p_values) else np.zeros(0)


def detectable(standard_error: float) -> float:
    """Return the smallest difference that a two-sided test at 5 % shows with 80 % power (normal approximation)."""
    return min(1.0, _effect() * standard_error)


@cache
def _effect() -> float:
    """Return the same in standard errors."""
    return float(NormalIndPower().solve_power(nobs1=1, alpha=LEVEL, power=POWER, ratio=0))


def verdict(bounds: Interval, allowed_loss: float) -> Verdict:
    """Say whether one-sided bounds of a difference show that no more than ``allowed_loss`` is lost."""
    if bounds.low > -allowed_loss:
        return SHOWN
    return REFUTED if bounds.high < -allowed_loss else NOT_SHOWN


def length_change(lengths: Floats, others: Floats) -> Change:
    """Return the ratio of mean lengths minus 1, with its percentile bootstrap interval over questions.

    The interval is expanded as Hesterberg (2015, doi 10.1080/00031305.2015.1089789) proposes, since resampled means of
    few questions vary too little: percentiles are taken where Student's t would have them.

    Args:
        lengths: Of each question, the mean length of the responses.
        others: The other checkpoint's, to the same questions.
    """
    if not len(lengths) or not others.sum():
        return Change(None, None, None)
    value = float(lengths.mean() / others.mean() - 1)
    if len(lengths) < LEAST or np.ptp(lengths * others.sum() - others * lengths.sum()) == 0:
        return Change(value, None, None)
    found = bootstrap(
        (lengths, others),
        lambda ours, theirs, axis: ours.mean(axis=axis) / theirs.mean(axis=axis) - 1,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=max(1, CHUNK // len(lengths)),
        confidence_level=_expanded(len(lengths)),
        method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return Change(value, float(found.low), float(found.high))


def _expanded(count: int) -> float:
    """Return the confidence level at which a percentile interval of ``count`` values holds ``CONFIDENCE``."""
    return 1 - 2 * float(norm.sf(np.sqrt(count / (count - 1)) * t.isf(LEVEL / 2, count - 1)))


def mean_change(parts: Sequence[Change]) -> Change:
    """Return the mean of the changes of several benchmarks; None where a benchmark has none."""
    values = [part.value for part in parts if part.value is not None]
    if len(values) < len(parts):
        return Change(None, None, None)
    intervals = [Interval(*part) for part in parts if part.low is not None]
    if len(intervals) < len(parts):
        return Change(float(np.mean(values)), None, None)
    return Change(*mean_of_intervals(intervals))
