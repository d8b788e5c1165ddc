"""Each line of a study against its reference, and against the most accurate line of its pair, on the same questions."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from l2s.analysis.key_points import key_points, share_kept
from l2s.analysis.lengths import COLUMNS
from l2s.analysis.paired import (
    LEVEL,
    Change,
    Difference,
    detectable,
    difference,
    holm,
    length_change,
    mean_change,
    mean_difference,
    p_value,
    verdict,
)
from l2s.analysis.spec import Spec
from l2s.analysis.table import Graded, Row
from l2s.contracts.comparisons import BEST, COMPARISONS, REFERENCE
from l2s.contracts.parquet import table_of
from l2s.contracts.responses import AS_DECODED, Reading, rows_read_at
from l2s.contracts.table import MEAN, QUESTION
from l2s.errors import UserError

KEYS = QUESTION[:2]  # benchmark, question_id


class Compared(NamedTuple):
    """Two checkpoints on the questions of one benchmark."""

    difference: Difference
    differences: np.ndarray
    length: Change
    both_right: int
    length_both_right: Change
    kept: float | None


class Answers:
    """What a study's checkpoints did with each question.

    Args:
        spec: The study's lines and files. Files are read one checkpoint at a time, and only numbers are kept of them,
            except for references, whose texts key points are found in.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.graders = list(next(iter(spec.checkpoints.values())).grades)
        self.asked = {tuple(row[key] for key in KEYS): row["question"] for t in spec.asked() for row in t.to_pylist()}
        self.numbers: dict[str, pd.DataFrame] = {}
        self.kept: dict[tuple[str, str], pd.Series] = {}
        self.lengths: dict[tuple[str, str, str], Change] = {}
        references = dict.fromkeys(row.reference for row in spec.rows if row.reference)
        points = {name: self._points(name) for name in references}
        for name in dict.fromkeys(row.checkpoint for row in spec.rows):
            answers = self._read(name)
            for reference in {row.reference for row in spec.rows if row.checkpoint == name} - {None, name}:
                both = self._right(name) & self._right(reference).reindex(answers.index, fill_value=False)
                self.kept[name, reference] = _shares(points[reference], answers.loc[both, "text"])

    def _read(self, name: str) -> pd.DataFrame:
        """Return a checkpoint's first responses to its questions, and keep the numbers of all."""
        frame = by_question(self.spec.measured[name], COLUMNS[self.spec.counting.length])
        frame = frame[frame.index.get_level_values(0).isin(self.spec.benchmarks)]
        # Ids are most of what is kept, and the same for all: one copy of them serves hundreds of checkpoints.
        shared = next(iter(self.numbers.values()), frame).index
        if frame.index.equals(shared):
            frame.index = shared
        self.numbers[name] = frame.drop(columns="text")
        return frame

    def _points(self, name: str) -> pd.Series:
        frame = self._read(name)
        texts = frame.loc[self._right(name), "text"]
        found = [key_points(text, self.asked.get(key)) for key, text in texts.items()]
        return pd.Series(found, index=texts.index, dtype=object)

    def _right(self, name: str) -> pd.Series:
        """Return by question whether a grader finds a response right: only there are key points looked at."""
        return (self.numbers[name][[f"right_{grader}" for grader in self.graders]] > 0).any(axis=1)

    def accuracy(self, name: str, grader: str) -> float:
        """Return the unweighted mean over the benchmarks of a checkpoint's accuracy."""
        return float(self.numbers[name][f"right_{grader}"].groupby(level=0).mean().mean())

    def compared(self, row: Row, against: str, grader: str, benchmark: str) -> Compared:
        """Compare a line's checkpoint with another one.

        Raises:
            UserError: They did not answer the same questions.
        """
        ours, theirs = (self.numbers[name].loc[[benchmark]] for name in (row.checkpoint, against))
        if not ours.index.equals(theirs.index):
            message = f"{row.checkpoint} and {against} did not answer the same questions of '{benchmark}'"
            raise UserError(f"study {self.spec.study}: {message}; decode again what has other questions")
        right = f"right_{grader}"
        differences = (ours[right] - theirs[right]).to_numpy()
        both = (ours[right] > 0) & (theirs[right] > 0)
        of_right = [frame.loc[both, f"length_{right}"].to_numpy() for frame in (ours, theirs)]
        key = row.checkpoint, against, benchmark
        if key not in self.lengths:  # whoever grades
            self.lengths[key] = length_change(ours["length"].to_numpy(), theirs["length"].to_numpy())
        shares = self.kept.get((row.checkpoint, against), pd.Series(dtype=float))
        shares = shares.reindex(ours.index[both]).dropna()
        return Compared(
            difference(differences),
            differences,
            self.lengths[key],
            int(both.sum()),
            length_change(*of_right),
            float(shares.mean()) if len(shares) else None,
        )


def compare_lines(spec: Spec) -> pa.Table:
    """Compare a study's lines.

    Args:
        spec: The study's lines and files.

    Returns:
        A table with the schema COMPARISONS: by grader, the study's own first, each line against its reference, then
        against the most accurate line of its pair; over each benchmark and, with several, their mean.

    Raises:
        UserError: Two checkpoints did not answer the same questions.
    """
    answers = Answers(spec)
    lines = []
    for grader in answers.graders:
        for against_is, chosen in ((REFERENCE, _references(spec)), (BEST, _best(spec, answers, grader))):
            of_kind = [
                {"study": spec.study, "grader": grader, "against": against, "against_is": against_is, **line}
                for row, against in chosen
                for line in _lines(row, against, grader, answers, against_is == REFERENCE)
            ]
            _correct(of_kind)
            lines += of_kind
    return table_of(lines, COMPARISONS)


def by_question(graded: Graded, length: str, reading: Reading = AS_DECODED) -> pd.DataFrame:
    """Return by (benchmark, question_id), in order: text of the first sample, length, and for each grader the share of
    right samples (``right_<grader>``) and their length.

    Args:
        graded: Responses and grades of one checkpoint.
        length: The column that counts as length.
        reading: How the responses are read.
    """
    responses, grades = graded
    frame = (
        rows_read_at(responses, reading)
        .select([*QUESTION, "text", length])
        .to_pandas()
        .rename(columns={length: "length"})
    )
    for grader, table in grades.items():
        outcomes = rows_read_at(table, reading).select([*QUESTION, "outcome"]).to_pandas()
        frame = frame.merge(outcomes, on=QUESTION, validate="one_to_one")
        right = frame.pop("outcome") == "correct"
        frame[f"right_{grader}"] = right.astype(float)
        frame[f"length_right_{grader}"] = frame["length"].where(right)
    groups = frame.sort_values(QUESTION).groupby(KEYS)
    return groups.mean(numeric_only=True).drop(columns="sample").assign(text=groups["text"].first())


def _shares(points: pd.Series, texts: pd.Series) -> pd.Series:
    known = points.reindex(texts.index)
    shares = [share_kept(found, text) if found else None for found, text in zip(known, texts, strict=True)]
    return pd.Series(shares, index=texts.index, dtype=float)


def _references(spec: Spec) -> list[tuple[Row, str]]:
    return [(row, row.reference) for row in spec.rows if row.reference and row.reference != row.checkpoint]


def _best(spec: Spec, answers: Answers, grader: str) -> list[tuple[Row, str]]:
    """Return the lines with the most accurate one of their pair; of equally accurate ones the shortest is the best."""

    def merit(name: str) -> tuple[float, float]:
        return answers.accuracy(name, grader), -float(answers.numbers[name]["length"].mean())

    pairs: dict[str, list[str]] = {}
    for row in spec.rows:
        pairs.setdefault(row.pair, []).append(row.checkpoint)
    best = {pair: max(names, key=merit) for pair, names in pairs.items()}
    return [(row, best[row.pair]) for row in spec.rows if row.checkpoint != best[row.pair]]


def _lines(row: Row, against: str, grader: str, answers: Answers, is_reference: bool) -> Iterator[dict[str, Any]]:
    spec = answers.spec
    parts = [answers.compared(row, against, grader, benchmark) for benchmark in spec.benchmarks]
    head = row.model_dump(include={"pair", "method", "recipe", "checkpoint"})
    for benchmark, part in zip(spec.benchmarks, parts, strict=True):
        yield {**head, "benchmark": benchmark, **_line([part], spec.allowed_loss / 100, is_reference)}
    if len(parts) > 1:
        yield {**head, "benchmark": MEAN, **_line(parts, spec.allowed_loss / 100, is_reference)}


def _line(parts: Sequence[Compared], allowed_loss: float, is_reference: bool) -> dict[str, Any]:
    one = len(parts) == 1
    found = parts[0].difference if one else mean_difference([part.difference for part in parts])
    length = parts[0].length if one else mean_change([part.length for part in parts])
    of_right = parts[0].length_both_right if one else mean_change([part.length_both_right for part in parts])
    kept = [part.kept for part in parts if part.kept is not None]
    return {
        "questions": sum(len(part.differences) for part in parts),
        **_with_limits("accuracy_difference", found.interval),
        "p_value": p_value([part.differences for part in parts]),
        "detectable": detectable(found.standard_error),
        "allowed_loss": allowed_loss,
        "loss_bound": -found.bounds.low,
        "verdict": verdict(found.bounds, allowed_loss) if is_reference else None,
        **_with_limits("length_change", length),
        "both_right": sum(part.both_right for part in parts),
        **_with_limits("length_change_both_right", of_right),
        "key_points_kept": float(np.mean(kept)) if kept else None,
    }


def _with_limits(name: str, value: Any) -> dict[str, float | None]:
    return {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}


def _correct(lines: Sequence[dict[str, Any]]) -> None:
    """Add p-values corrected for the number of comparisons; those of means are a family of their own."""
    for family in ([line for line in lines if (line["benchmark"] == MEAN) is mean] for mean in (False, True)):
        for line, corrected in zip(family, holm([line["p_value"] for line in family]), strict=True):
            line["p_holm"] = float(corrected)
            line["distinguishable"] = bool(corrected < LEVEL)
