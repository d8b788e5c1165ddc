"""Paired tests and bounds against other computations of the same, and against a simulation with a known truth."""

from itertools import product
from math import lcm

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap, permutation_test, t

from l2s.analysis.intervals import Interval
from l2s.analysis.paired import (
    FLIPS,
    LEAST_P,
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
SAMPLES = 6  # of a question


def signs(won, lost, alike):
    return np.array([1.0] * won + [-1.0] * lost + [0.0] * alike)


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (1, 0), (7, 1), (12, 5), (20, 20)])
def test_one_sample_per_question_is_a_binomial_test_of_the_discordant_questions(won, lost):
    expected = binomtest(won, won + lost).pvalue if won + lost else 1.0
    assert p_value([signs(won, lost, 30)]) == pytest.approx(expected)


def all_signs(parts):
    """Return the p-value of the mean over benchmarks from all 2^n signs, in whole numbers, which have no rounding."""
    common = lcm(*(len(part) for part in parts)) * SAMPLES
    whole = [round(common * value / len(part)) for part in parts for value in part]
    sums = [
        abs(sum(sign * value for sign, value in zip(flips, whole, strict=True)))
        for flips in product((-1, 1), repeat=len(whole))
    ]
    return np.mean([total >= abs(sum(whole)) for total in sums])


SHARES = {
    "a benchmark with samples": [[1, 2, -3, 6, 0, 3, -1, 1]],
    "sums that are equal only without rounding errors": [[1, 2, 3, -4, 5, -6], [1, -2, 6]],
    "two benchmarks of one size": [[6, -6, 6, 0, 6], [6, 6, 6, -6, 0]],
    "three benchmarks": [[6, -6, 6, 6, 0], [1, 2, -1], [0, 0, 6, 6]],
    "a tie": [[6, -6, 0], [6, -6]],
}


@pytest.mark.parametrize("sixths", SHARES.values(), ids=SHARES)
def test_p_values_are_those_of_all_signs(sixths):
    parts = [np.array(part) / SAMPLES for part in sixths]
    assert p_value(parts) == pytest.approx(all_signs(parts), rel=1e-9)
    weighted = np.concatenate([part / len(part) for part in parts])
    tried = permutation_test(
        (weighted,),
        lambda values, axis: values.sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    )
    assert p_value(parts) == pytest.approx(min(1, tried.pvalue), rel=1e-9)


def test_computed_and_drawn_p_values_agree_at_the_papers_sizes(monkeypatch):
    rng = np.random.default_rng(7)
    sizes = {1319: 0.06, 500: 0.09, 272: 0.12, 675: 0.10, 2818: 0.10, 30: 0.20}
    parts = [rng.choice([1, -1, 0], size, p=[share / 2, share / 2, 1 - share]) for size, share in sizes.items()]
    computed = p_value(parts)
    monkeypatch.setattr("l2s.analysis.paired.MOST_SUMS", 1_000)
    drawn = p_value(parts)
    assert 0.05 < computed < 0.95
    assert drawn != computed
    assert drawn == pytest.approx(computed, abs=5 * np.sqrt(computed * (1 - computed) / FLIPS))


def test_no_p_value_is_zero(monkeypatch):
    parts = [signs(2000, 0, 0), signs(300, 0, 0)]
    assert p_value(parts) == LEAST_P
    monkeypatch.setattr("l2s.analysis.paired.MOST_SUMS", 1_000)
    assert p_value(parts) == 1 / (FLIPS + 1)


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
