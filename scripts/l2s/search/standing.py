"""How the candidates of a round stand: loss and length against the slow model, on the same questions."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from l2s.analysis.paired import REFUTED
from l2s.analysis.table import overall
from l2s.contracts.comparisons import COMPARISONS, REFERENCE
from l2s.contracts.parquet import read_table
from l2s.contracts.table import MEAN, TABLE
from l2s.search.candidates import Candidate, Candidates, read_candidates

MODELS = ("quick", "slow")


class Standing(NamedTuple):
    """A candidate in a round, over all benchmarks.

    Attributes:
        candidate: The candidate.
        checkpoint: Its checkpoint's name.
        label: What tables call it.
        loss: Accuracy lost against the slow model, in [-1, 1]; below 0 it is better.
        loss_bound: The most that may be lost, by a one-sided 95 % bound.
        length_change: Mean length over the slow model's, minus 1.
        verdict: Whether it is shown that no more than the allowed loss is lost: shown, not shown, refuted.
        tokens: How many tokens its responses have, of all questions of the round.
    """

    candidate: Candidate
    checkpoint: str
    label: str
    loss: float
    loss_bound: float
    length_change: float
    verdict: str
    tokens: int


class Round(NamedTuple):
    """A round that has been decoded and graded.

    Attributes:
        name: Its name.
        questions: How many questions each candidate was asked.
        standings: Its candidates, in their order.
        reference_tokens: How many tokens the responses of the models have that are asked besides.
    """

    name: str
    questions: int
    standings: list[Standing]
    reference_tokens: int


def read_round(candidates: Path, table: Path, comparisons: Path) -> Round:
    """Read a round from its candidates and what its study measured of them."""
    asked = read_candidates(candidates)
    return round_of(asked, overall(read_table(table, TABLE)), read_table(comparisons, COMPARISONS).to_pandas())


def round_of(asked: Candidates, lines: pd.DataFrame, comparisons: pd.DataFrame) -> Round:
    """Return a round.

    Args:
        asked: Its candidates: the first of its study's lines that are no models, in this order.
        lines: Its table over all questions, schema TABLE.
        comparisons: Its comparisons, schema COMPARISONS.
    """
    lines = lines[lines["read_at"].isna() & lines["budget"].isna() & (lines["benchmark"] != MEAN)]
    tokens = (lines["mean_tokens"] * lines["responses"]).groupby(lines["checkpoint"]).sum().round().astype(int)
    merged = lines.loc[~lines["method"].isin(MODELS), "checkpoint"].drop_duplicates()
    against = comparisons[comparisons["against_is"] == REFERENCE]
    against = against[against["benchmark"] == (MEAN if (against["benchmark"] == MEAN).any() else against["benchmark"])]
    by_checkpoint = against.set_index("checkpoint")
    standings = [
        _standing(candidate, by_checkpoint.loc[name], int(tokens[name]))
        for candidate, name in zip(asked.candidates, merged, strict=False)
    ]
    models = lines.loc[lines["method"].isin(MODELS), "checkpoint"].drop_duplicates()
    questions = int(against["questions"].max()) if len(against) else 0
    return Round(asked.round_name, questions, standings, int(tokens[models].sum()))


def _standing(candidate: Candidate, line: pd.Series, tokens: int) -> Standing:
    length = line["length_change"]
    return Standing(
        candidate,
        str(line.name),
        line["recipe"],
        -float(line["accuracy_difference"]),
        float(line["loss_bound"]),
        0.0 if pd.isna(length) else float(length),
        line["verdict"],
        tokens,
    )


def ranked(standings: list[Standing], allowed_loss: float) -> list[Standing]:
    """Return the candidates that are not refuted, the best first.

    Those that lost no more than is allowed go by their length; behind them come the others by what they lost.

    Args:
        standings: Of one round.
        allowed_loss: In points.
    """
    standing = [one for one in standings if one.verdict != REFUTED]
    return sorted(standing, key=lambda one: (max(0.0, one.loss - allowed_loss / 100), one.length_change, one.label))


def latest(rounds: list[Round]) -> list[Standing]:
    """Return every candidate once, as it stood in the last round that asked it."""
    found = {one.checkpoint: one for played in rounds for one in played.standings}
    return list(found.values())


def front(standings: list[Standing]) -> list[Standing]:
    """Return those that no other one beats in one of loss and length without being worse in the other, by length."""
    return [
        one
        for one in sorted(standings, key=lambda one: (one.length_change, one.loss))
        if not any(_beats(other, one) for other in standings)
    ]


def _beats(one: Standing, other: Standing) -> bool:
    better = (one.loss, one.length_change), (other.loss, other.length_change)
    return better[0] != better[1] and one.loss <= other.loss and one.length_change <= other.length_change
