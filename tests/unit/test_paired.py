"""Paired tests and bounds against other computations of the same, and against a simulation with a known truth."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap, t

from l2s.analysis.intervals import Interval
from l2s.analysis.paired import (
    FLIPS,
    NOT_SHOWN,
    REFUTED,
    RESAMPLES,
    SEED,
    SHOWN,
    detectable,
    difference,
    holm,
    length_change,
    mean_change,
    mean_difference,
    p_value,
    verdict,
)

RUNS = 1_000


def signs(won, lost, alike):
    return np.array([1.0] * won + [-1.0] * lost + [0.0] * alike)


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (1, 0), (7, 1), (12, 5), (20, 20)])
def test_one_sample_per_question_is_a_binomial_test_of_the_discordant_questions(won, lost):
    expected = binomtest(won, won + lost).pvalue if won + lost else 1.0
    assert p_value([signs(won, lost, 30)]) == pytest.approx(expected)


def test_with_several_samples_all_signs_are_tried():
    values = np.array([0.5, -0.25, 1.0, 0.75])
    sums = [abs(np.dot(values, flips)) for flips in product((-1, 1), repeat=4)]
    assert p_value([values]) == pytest.approx(np.mean([total >= values.sum() - 1e-12 for total in sums]))


def test_benchmarks_count_alike_however_many_questions_they_have():
    few, many = signs(10, 0, 0), signs(0, 40, 360)
    found = mean_difference([difference(few), difference(many)])
    assert found.interval.value == pytest.approx((1.0 - 0.1) / 2), "pooled, 10 questions won and 40 lost were a loss"
    rng = np.random.default_rng(4)
    flips = rng.choice([-1, 1], (200_000, 50))
    means = (flips[:, :10].sum(axis=1) / 10 + flips[:, 10:].sum(axis=1) / 400) / 2
    assert p_value([few, many]) == pytest.approx(np.mean(np.abs(means) >= 0.45 - 1e-12), abs=3 / FLIPS)


def test_equal_answers_to_thirty_questions_show_nothing():
    found = difference(np.zeros(30))
    assert found.interval.value == 0
    assert found.interval.low < -0.05 and found.interval.high > 0.05
    assert verdict(found.bounds, 0.01) == NOT_SHOWN
    assert verdict(difference(np.zeros(3000)).bounds, 0.01) == SHOWN


def test_verdicts_follow_from_the_bounds():
    assert verdict(Interval(0.0, -0.009, 0.02), 0.01) == SHOWN
    assert verdict(Interval(-0.01, -0.03, 0.02), 0.01) == NOT_SHOWN
    assert verdict(Interval(-0.05, -0.07, -0.02), 0.01) == REFUTED


def test_holm_multiplies_the_smallest_by_their_number():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert len(holm([])) == 0


def test_a_detectable_difference_is_found_with_eighty_percent_power():
    rng = np.random.default_rng(1)
    error = 0.02
    effect = detectable(error)
    found = np.abs(rng.normal(effect, error, 20_000)) > 1.96 * error
    assert found.mean() == pytest.approx(0.80, abs=0.01)


def test_a_length_change_is_the_ratio_of_means_with_an_interval_from_five_questions_on():
    rng = np.random.default_rng(2)
    others = rng.uniform(50, 150, 400)
    change = length_change(others * rng.uniform(0.4, 0.6, 400), others)
    assert change.low < change.value < change.high
    assert change.value == pytest.approx(-0.5, abs=0.02)
    assert length_change(np.array([1.0, 2.0]), np.array([2.0, 2.0])) == (-0.25, None, None)
    assert length_change(np.zeros(0), np.zeros(0)).value is None
    assert mean_change([change, length_change(np.zeros(0), np.zeros(0))]).value is None


@pytest.mark.parametrize(("won", "lost", "alike"), [(1, 7, 13), (30, 52, 1237)])
def test_limits_of_a_difference_are_those_of_bonett_and_price_with_students_quantiles(won, lost, alike):
    # Their formula: one question more on each side, of n + 2.
    count = won + lost + alike + 2
    shift, share = (won - lost) / count, (won + lost + 2) / count
    half = t.isf(0.025, count - 1) * np.sqrt((share - shift**2) / (count - 1))
    found = difference(signs(won, lost, alike))
    assert found.interval == pytest.approx(((won - lost) / (count - 2), shift - half, shift + half))
    assert found.interval.low < found.bounds.low < found.bounds.high < found.interval.high


def test_interval_of_few_lengths_is_wider_than_a_plain_bootstraps():
    rng = np.random.default_rng(5)
    others = rng.lognormal(8, 0.7, 10)
    ours = others * rng.lognormal(-0.8, 0.5, 10)
    plain = bootstrap(
        (ours, others),
        lambda one, other, axis: one.mean(axis=axis) / other.mean(axis=axis) - 1,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    found = length_change(ours, others)
    assert found.low < plain.low < found.value < plain.high < found.high


@pytest.mark.parametrize("questions", [30, 300])
def test_intervals_cover_and_tests_reject_as_often_as_they_say(questions):
    """docs/statistics.md has the long simulation; this one has a Monte Carlo error of 0.7 points."""
    rng = np.random.default_rng(3)
    worse, better, loss = 0.10, 0.06, 0.04
    draws = rng.choice([-1.0, 1.0, 0.0], (RUNS, questions), p=[worse, better, 1 - worse - better])
    found = [difference(row) for row in draws]
    covered = np.mean([one.interval.low <= -loss <= one.interval.high for one in found])
    assert covered >= 0.93
    # Where exactly the allowed loss is true, at most one in twenty may be "shown".
    assert np.mean([verdict(one.bounds, loss) == SHOWN for one in found]) <= 0.065
    null = rng.choice([-1.0, 1.0, 0.0], (RUNS, questions), p=[0.08, 0.08, 0.84])
    assert np.mean([p_value([row]) < 0.05 for row in null]) <= 0.05
