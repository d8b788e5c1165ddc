"""What the report measured: of the finalists and of everything that is cheaper, against the slow model."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from l2s.analysis.comparisons import by_question
from l2s.analysis.lengths import COLUMNS
from l2s.analysis.paired import difference, length_change, mean_change, mean_difference, verdict
from l2s.analysis.table import Graded
from l2s.config import StrictModel
from l2s.contracts.comparisons import REFERENCE
from l2s.contracts.responses import AS_DECODED, Reading
from l2s.contracts.table import MEAN

QUICK, SLOW, PLAIN, FINALIST, BUDGET, BRIEF = "quick", "slow", "plain", "finalist", "budget", "brief"


class Measure(StrictModel):
    """Accuracy and length of something on a benchmark, or their means over benchmarks, against the slow model.

    Attributes:
        accuracy: In [0, 1].
        tokens: Mean length of a response.
        loss: Accuracy lost, in [-1, 1].
        loss_bound: The most that may be lost: one-sided 95 % bound.
        length_change: Mean length over the slow model's, minus 1, with its 95 % interval; None: it has none.
        verdict: Whether it is shown that no more than the allowed loss is lost: shown, not shown, refuted.
    """

    accuracy: float
    tokens: float
    loss: float
    loss_bound: float
    length_change: float | None
    length_change_low: float | None
    length_change_high: float | None
    verdict: str

    @property
    def shown(self) -> bool:
        """Whether it is shown that no more than allowed is lost."""
        return self.verdict == "shown"

    @property
    def shorter(self) -> bool:
        """Whether it is shorter than the slow model, its interval included where it has one."""
        top = self.length_change if self.length_change_high is None else self.length_change_high
        return top is not None and top < 0


class Measured(StrictModel):
    """Something that was asked the report's questions.

    Attributes:
        name: What pages call it.
        kind: quick, slow, plain, finalist, budget or brief.
        searched: Whether it took a search to find: not the models, nor the plain recipes, finalists or not.
        checkpoint: Its checkpoint's name.
        overall: Over all benchmarks.
        benchmarks: By benchmark.
    """

    name: str
    kind: str
    searched: bool
    checkpoint: str
    overall: Measure
    benchmarks: dict[str, Measure]


def measured_lines(lines: pd.DataFrame, comparisons: pd.DataFrame, finalists: Mapping[str, bool]) -> list[Measured]:
    """Return the quick model and each merge of the report, as its table and comparisons have them.

    Args:
        lines: The table over all questions, schema TABLE.
        comparisons: Its comparisons, schema COMPARISONS.
        finalists: Checkpoints of the finalists, and of each whether it took a search to find.
    """
    lines = lines[lines["read_at"].isna() & lines["budget"].isna()].set_index(["checkpoint", "benchmark"])
    against = comparisons[comparisons["against_is"] == REFERENCE]
    found = []
    for name, rows in against.groupby("checkpoint", sort=False):
        by_benchmark = {
            row["benchmark"]: _measure(row, lines.loc[(name, row["benchmark"])]) for row in rows.to_dict("records")
        }
        first = rows.iloc[0]
        kind = FINALIST if name in finalists else QUICK if first["method"] == QUICK else PLAIN
        label = "the quick model" if kind == QUICK else first["recipe"]
        overall = by_benchmark.pop(MEAN, None) or next(iter(by_benchmark.values()))
        found.append(
            Measured(
                name=label,
                kind=kind,
                searched=finalists.get(str(name), False),
                checkpoint=str(name),
                overall=overall,
                benchmarks=by_benchmark,
            )
        )
    return found


def _measure(compared: dict[str, Any], line: pd.Series) -> Measure:
    values = {key: compared[key] for key in ("loss_bound", "verdict")}
    lengths = ("length_change", "length_change_low", "length_change_high")
    values |= {key: None if pd.isna(compared[key]) else compared[key] for key in lengths}
    return Measure(
        accuracy=line["accuracy"], tokens=line["mean_tokens"], loss=-compared["accuracy_difference"], **values
    )


class SlowModel:
    """The slow model's responses to the report's questions, which other ways to ask it are compared with.

    Args:
        checkpoint: Its checkpoint's name.
        graded: Its responses and grades.
        grader: The search's.
        allowed_loss: In points.
    """

    def __init__(self, checkpoint: str, graded: Graded, grader: str, allowed_loss: float) -> None:
        self.checkpoint, self.graded = checkpoint, graded
        self.right, self.allowed = f"right_{grader}", allowed_loss / 100
        self.as_decoded = self._numbers(graded, AS_DECODED)

    def _numbers(self, graded: Graded, reading: Reading) -> pd.DataFrame:
        return by_question(graded, COLUMNS["generated"], reading)[[self.right, "length"]]

    def at_budget(self, budget: int) -> Measured:
        """Return the slow model with a smaller budget: the same responses, cut."""
        frame = self._numbers(self.graded, Reading(budget=budget))
        return self._compared(f"the slow model, cut at {budget:,} tokens", BUDGET, frame)

    def asked_briefly(self, graded: Graded) -> Measured:
        """Return the slow model with a prompt that asks for brevity."""
        return self._compared("the slow model, asked to be brief", BRIEF, self._numbers(graded, AS_DECODED))

    def itself(self) -> Measured:
        """Return the slow model as it is."""
        return self._compared("the slow model", SLOW, self.as_decoded)

    def _compared(self, name: str, kind: str, frame: pd.DataFrame) -> Measured:
        names = list(dict.fromkeys(frame.index.get_level_values(0)))
        parts = {}
        for benchmark in names:
            ours, theirs = (one.loc[[benchmark]] for one in (frame, self.as_decoded))
            lengths = (ours["length"].to_numpy(), theirs["length"].to_numpy())
            parts[benchmark] = (
                float(ours[self.right].mean()),
                float(ours["length"].mean()),
                difference((ours[self.right] - theirs[self.right]).to_numpy()),
                length_change(*lengths),
            )
        measures = {benchmark: self._measure([part]) for benchmark, part in parts.items()}
        return Measured(
            name=name,
            kind=kind,
            searched=False,
            checkpoint=self.checkpoint,
            overall=self._measure(list(parts.values())),
            benchmarks=measures,
        )

    def _measure(self, parts: list[tuple]) -> Measure:
        accuracies, tokens, differences, lengths = zip(*parts, strict=True)
        found = differences[0] if len(parts) == 1 else mean_difference(differences)
        change = lengths[0] if len(parts) == 1 else mean_change(lengths)
        return Measure(
            accuracy=float(np.mean(accuracies)),
            tokens=float(np.mean(tokens)),
            loss=-found.interval.value,
            loss_bound=-found.bounds.low,
            length_change=change.value,
            length_change_low=change.low,
            length_change_high=change.high,
            verdict=verdict(found.bounds, self.allowed),
        )
