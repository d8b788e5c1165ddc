"""Intervals for accuracies and lengths."""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A share or a mean with its 95 % interval."""

    value: float
    low: float
    high: float


def wilson(successes: float, trials: int) -> Interval:
    """Return a share with its Wilson score interval (Wilson 1927).

    Args:
        successes: Number of successes; a question with several samples counts with the share of them that succeeded,
            so that samples of one question do not pass for independent trials.
        trials: Number of questions, at least 1.
    """
    low, high = proportion_confint(successes, trials, alpha=1 - CONFIDENCE, method="wilson")
    return Interval(successes / trials, float(low), float(high))


def mean_of(values: Sequence[float]) -> Interval:
    """Return the mean of independent values with its interval by Student's t; with one value, the value alone."""
    stats = DescrStatsW(np.asarray(values, dtype=float))
    if stats.nobs < 2:
        return Interval(float(stats.mean), float(stats.mean), float(stats.mean))
    low, high = stats.tconfint_mean(alpha=1 - CONFIDENCE)
    return Interval(float(stats.mean), float(low), float(high))


def mean_of_intervals(intervals: Sequence[Interval]) -> Interval:
    """Return the unweighted mean of independent shares or means with its interval.

    The limits are combined by the method of variance estimates recovery (Zou & Donner 2008, doi 10.1002/sim.3095): the
    distances of the mean's limits are the root sum of squares of the parts' distances, over their number.
    """
    count = len(intervals)
    mean = sum(part.value for part in intervals) / count
    below = sqrt(sum((part.value - part.low) ** 2 for part in intervals)) / count
    above = sqrt(sum((part.high - part.value) ** 2 for part in intervals)) / count
    return Interval(mean, mean - below, mean + above)


def difference_of_intervals(one: Interval, other: Interval) -> Interval:
    """Return the difference of two independent shares or means with its interval, by the same method."""
    difference = one.value - other.value
    below = sqrt((one.value - one.low) ** 2 + (other.high - other.value) ** 2)
    above = sqrt((one.high - one.value) ** 2 + (other.value - other.low) ** 2)
    return Interval(difference, difference - below, difference + above)
