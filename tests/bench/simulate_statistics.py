"""How well intervals, tests and verdicts do where the truth is known: the table of docs/statistics.md.

    python tests/bench/simulate_statistics.py [--rounds 2000]

Questions are drawn with a chance of being won and one of being lost; lengths are lognormal, with the spread that long
reasoning has (standard deviation of the logarithm: 0.7 between questions, 0.5 between two checkpoints on a question).
Means and bootstraps, which take longer, have a quarter of the rounds.
"""

import sys
from pathlib import Path

import numpy as np
import typer
from scipy.stats import bootstrap

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from l2s.analysis.paired import (
    LEVEL,
    REFUTED,
    SHOWN,
    difference,
    length_change,
    mean_difference,
    p_value,
    verdict,
)

BENCHMARKS = {30: 0.20, 272: 0.121, 500: 0.086, 1319: 0.058}
"""Share of questions on which two nearly equal merges disagree, by number of questions."""


def drawn(rng, questions, discordant, true):
    """Draw differences of right answers, int in {-1, 0, 1}, whose expectation is ``true``."""
    won, lost = (discordant + true) / 2, (discordant - true) / 2
    return rng.choice([1.0, -1.0, 0.0], size=questions, p=[won, lost, 1 - won - lost])


def accuracy(rng, questions, discordant, rounds, loss=0.01):
    """Return shares: covered with no difference and at the loss, rejected, shown and refuted at the loss."""
    counts = np.zeros(5)
    for _ in range(rounds):
        equal, worse = drawn(rng, questions, discordant, 0), drawn(rng, questions, discordant, -loss)
        null, lower = difference(equal), difference(worse)
        said = verdict(lower.bounds, loss)
        counts += (
            null.interval.low <= 0 <= null.interval.high,
            lower.interval.low <= -loss <= lower.interval.high,
            p_value([equal]) < LEVEL,
            said == SHOWN,
            said == REFUTED,
        )
    return counts / rounds


def mean(rng, rounds, loss=0.01):
    """Return the same shares for the mean over benchmarks."""
    counts = np.zeros(5)
    for _ in range(rounds):
        draws = [[drawn(rng, *shape, true) for shape in BENCHMARKS.items()] for true in (0, -loss)]
        null, lower = (mean_difference([difference(part) for part in parts]) for parts in draws)
        said = verdict(lower.bounds, loss)
        counts += (
            null.interval.low <= 0 <= null.interval.high,
            lower.interval.low <= -loss <= lower.interval.high,
            p_value(draws[0]) < LEVEL,
            said == SHOWN,
            said == REFUTED,
        )
    return counts / rounds


def bootstrapped(rng, questions, discordant, rounds):
    """Return how often a plain bootstrap interval of the difference in accuracy covers no difference."""
    covered = 0
    for _ in range(rounds):
        values = drawn(rng, questions, discordant, 0)
        if np.ptp(values) > 0:  # otherwise its width is zero, or it is undefined
            low, high = bootstrap(
                (values,), np.mean, n_resamples=1000, method="percentile", rng=rng, vectorized=True
            ).confidence_interval
            covered += low <= 0 <= high
        else:
            covered += values[0] == 0
    return covered / rounds


def lengths(rng, questions, rounds, change=-0.5):
    """Return how often the interval of the change of length covers the truth."""
    covered = 0
    for _ in range(rounds):
        others = rng.lognormal(8, 0.7, questions)
        ours = others * rng.lognormal(np.log(1 + change) - 0.5**2 / 2, 0.5, questions)
        found = length_change(ours, others)
        covered += found.low <= change <= found.high
    return covered / rounds


def main(rounds: int = 2000, seed: int = 1) -> None:
    """Print the table."""
    rng = np.random.default_rng(seed)
    print("| questions | disagree | covers, equal | covers, 1 point worse | rejects | shown | refuted |")
    for questions, discordant in [*BENCHMARKS.items(), (30, 0.05), (500, 0.02)]:
        shares = accuracy(rng, questions, discordant, rounds)
        print(f"| {questions:,} | {discordant:.1%} | " + " | ".join(f"{share:.1%}" for share in shares) + " |")
    print("| mean | | " + " | ".join(f"{share:.1%}" for share in mean(rng, rounds // 4)) + " |")
    for questions, discordant in BENCHMARKS.items():
        plain = bootstrapped(rng, questions, discordant, rounds // 4)
        covers = lengths(rng, questions, rounds // 4)
        print(f"{questions:,}: plain bootstrap of accuracy covers {plain:.1%}, length covers {covers:.1%}")


if __name__ == "__main__":
    typer.run(main)
