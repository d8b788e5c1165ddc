"""Two checkpoints on the same questions: tests, intervals, and what the questions could have shown.

docs/statistics.md says what each number means, and how well the methods do in simulations with a known truth.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap, norm, permutation_test, t
from statsmodels.stats.contingency_tables import mcnemar
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
FLIPS = 9_999  # of the permutation test
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


def p_value(differences: Sequence[Floats]) -> float:
    """Return the p-value of the hypothesis that two checkpoints are equally accurate.

    With one benchmark and one sample per question it is McNemar's exact test. Otherwise it is the same idea: if neither
    is better, each question's difference may as well have the other sign. All signs are tried, or ``FLIPS`` drawn ones,
    so that no p-value is below 2 / (FLIPS + 1).

    Args:
        differences: Of each benchmark, the differences of its questions; benchmarks count alike.
    """
    if len(differences) == 1 and np.isin(differences[0], (-1, 0, 1)).all():
        (values,) = differences
        won, lost = int((values > 0).sum()), int((values < 0).sum())
        return float(mcnemar([[0, won], [lost, 0]], exact=True).pvalue)
    weighted = np.concatenate([part / len(part) for part in differences])
    weighted = weighted[weighted != 0]
    if len(weighted) < 2:
        return 1.0
    test = permutation_test(
        (weighted,),
        lambda values, axis: np.sum(values, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=FLIPS,
        batch=max(1, CHUNK // len(weighted)),
        rng=np.random.default_rng(SEED),
    )
    return min(1.0, float(test.pvalue))


def holm(p_values: Sequence[float]) -> Floats:
    """Return p-values corrected for their number by Holm's method; none of none."""
    return multipletests(p_values, alpha=LEVEL, method="holm")[1] if len(p_values) else np.zeros(0)


def detectable(standard_error: float) -> float:
    """Return the smallest difference that a two-sided test at 5 % shows with 80 % power (normal approximation)."""
    effect = NormalIndPower().solve_power(nobs1=1, alpha=LEVEL, power=POWER, ratio=0)  # in standard errors
    return min(1.0, float(effect) * standard_error)


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
