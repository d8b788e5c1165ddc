"""A study's table: one line for each checkpoint and benchmark, and one for the mean over benchmarks."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from l2s.analysis.intervals import Interval, mean_of, mean_of_intervals, wilson
from l2s.analysis.lengths import COLUMNS, Length
from l2s.analysis.reflection import Reflection, count_keywords
from l2s.config import StrictModel
from l2s.contracts.parquet import table_of
from l2s.contracts.responses import UNKNOWN, Reading, readings, rows_read_at
from l2s.contracts.table import MEAN, QUESTION, TABLE
from l2s.errors import UserError
from l2s.files import canonical_json

TEXTS_AT_A_TIME = 256  # that are Python strings at once
WITH_LIMITS = ("accuracy", "mean_tokens")
MAY_BE_NULL = (
    "length_change", "mean_tokens_right", "mean_tokens_wrong", "truncated", "looping", "imported_accuracy"
)  # fmt: skip
MEANS = ("median_tokens", "no_answer", "reflective")

Graded = tuple[pa.Table, Mapping[str, pa.Table]]
"""A checkpoint's responses, and by grader their grades; the study's own grader comes first."""
_Numbers = dict[tuple[str, int | None], dict[str, Any]]
"""Of a checkpoint, by (benchmark, level)."""


class Row(StrictModel):
    """What a line of the table is made from."""

    pair: str
    method: str
    recipe: str
    hyper_parameters: dict[str, Any] = Field({}, description="the recipe's, nested recipes as mappings")
    checkpoint: str
    reference: str | None = Field(None, description="checkpoint that lengths are compared with")
    read_at: tuple[int, ...] = Field((), description="context lengths at which the responses are read besides")
    budgets: tuple[int, ...] = Field((), description="budgets at which the responses are read besides")

    @property
    def readings(self) -> list[Reading]:
        """How the responses are read, as decoded first."""
        return readings(self.read_at, self.budgets)


class Counting(StrictModel):
    """What counts as a response's length and as a reflection keyword."""

    length: Length = "generated"
    reflection: Reflection = "words"


COUNTING = Counting()
"""The default."""


def make_table(
    study: str,
    rows: Sequence[Row],
    benchmarks: Sequence[str],
    read: Mapping[str, Graded],
    levels: Mapping[tuple[str, str], int] | None = None,
    counting: Counting = COUNTING,
) -> pa.Table:
    """Build a study's table.

    Args:
        study: Name of the study.
        rows: Its lines, in order.
        benchmarks: Its benchmarks, in order.
        read: By checkpoint, its table of responses, and its tables of grades by grader, for each checkpoint the same
            graders in the same order. Each is asked for once and let go, so that one at a time need be in memory.
        levels: By (benchmark, question_id), the question's level, where it has one.
        counting: What counts as length and as reflection.

    Returns:
        A table with the schema TABLE: for each grader the lines over all questions, then those of single levels.

    Raises:
        UserError: A checkpoint has no responses to one of the benchmarks, or is not in ``read``.
    """
    for name in {name for row in rows for name in (row.checkpoint, row.reference) if name} - read.keys():
        raise UserError(f"study {study}: no responses and grades are given for checkpoint {name}")
    measured: dict[str, dict[str, dict[Reading, _Numbers]]] = {}
    for name in dict.fromkeys(name for row in rows for name in (row.checkpoint, row.reference) if name):
        for grader, numbers in _measured(name, read[name], rows, benchmarks, levels or {}, counting):
            measured.setdefault(grader, {})[name] = numbers
    lines = [line for grader, numbers in measured.items() for line in _lines_of(study, grader, rows, numbers)]
    return table_of(map(_with_limits, lines), TABLE)


def _measured(
    name: str,
    graded: Graded,
    rows: Sequence[Row],
    benchmarks: Sequence[str],
    levels: Mapping[tuple[str, str], int],
    counting: Counting,
) -> Iterator[tuple[str, dict[Reading, _Numbers]]]:
    """Yield (grader, numbers by reading) of one checkpoint."""
    responses = _counted(graded[0], counting)
    readings_there = _readings_of(name, rows, pc.unique(responses["budget"]).to_pylist())
    for grader, grades in graded[1].items():
        numbers: dict[Reading, _Numbers] = {reading: {} for reading in readings_there}
        for reading, benchmark in product(readings_there, benchmarks):
            both = _joined(name, benchmark, reading, responses, grades)
            numbers[reading].update(_measure(both, benchmark, levels))
        yield grader, numbers


def _readings_of(name: str, rows: Sequence[Row], budgets: Sequence[int | None]) -> list[Reading]:
    """Return how a checkpoint's lines read its responses, and how those are read that are compared with it, as far as
    its responses have the budgets."""
    own = [reading for row in rows if row.checkpoint == name for reading in row.readings]
    compared = [_compared_with(reading) for row in rows if row.reference == name for reading in row.readings]
    return list(dict.fromkeys([*own, *(reading for reading in compared if reading.budget in [None, *budgets])]))


def _lines_of(
    study: str, grader: str, rows: Sequence[Row], measured: Mapping[str, dict[Reading, _Numbers]]
) -> list[dict[str, Any]]:
    """Return the lines of one grader, those of single levels last."""
    lines = []
    for row in rows:
        head = {"study": study, "grader": grader}
        head |= row.model_dump(include={"pair", "method", "recipe", "checkpoint"})
        head["hyper_parameters"] = canonical_json(row.hyper_parameters)
        for reading in row.readings:
            reference = measured.get(row.reference, {}).get(_compared_with(reading), {})
            parts = _with_mean(measured[row.checkpoint][reading], reference)
            lines += [{**head, **reading._asdict(), **part} for part in parts]
    return sorted(lines, key=lambda line: line["level"] is not None)


def as_decoded(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the lines that are not of responses cut at a budget; those at a context length stay."""
    return frame[frame["budget"].isna()]


def graders_of(summary: pa.Table) -> list[str]:
    """Return the graders of a table, the study's own first."""
    return pc.unique(summary["grader"]).to_pylist()


def overall(summary: pa.Table, grader: str | None = None) -> pd.DataFrame:
    """Return the lines over all questions, by the study's own grader or by another one."""
    return by_grader(summary, grader).loc[lambda frame: frame["level"].isna()].drop(columns="level")


def by_grader(summary: pa.Table, grader: str | None = None) -> pd.DataFrame:
    """Return the lines of the study's own grader or of another one, those of single levels included."""
    frame = summary.to_pandas()
    return frame[frame["grader"] == (grader or graders_of(summary)[0])].reset_index(drop=True)


def model_names(frame: pd.DataFrame) -> pd.Series:
    """Return how tables name the model of each line: its recipe, and the context length if it was read at one."""
    read_at = frame["read_at"].map(lambda length: "" if pd.isna(length) else f", context length {length:,.0f}")
    budget = frame["budget"].map(lambda tokens: "" if pd.isna(tokens) else f", budget {tokens:,.0f}")
    return frame["recipe"] + read_at + budget


def _counted(responses: pa.Table, counting: Counting) -> pa.Table:
    """Return responses with their length and number of keywords in place of their text."""
    pieces = responses.select(["text"]).to_batches(max_chunksize=TEXTS_AT_A_TIME)
    keywords = [count_keywords(text, counting.reflection) for piece in pieces for text in piece["text"].to_pylist()]
    kept = responses.select([*QUESTION, *Reading._fields, "finish_reason", "repetition", "imported_score"])
    return kept.append_column("length", responses[COLUMNS[counting.length]]).append_column(
        "keywords", pa.array(keywords, pa.int32())
    )


def _compared_with(reading: Reading) -> Reading:
    """Return how the reference is read that a line is compared with: at the same budget, and as it was decoded."""
    return Reading(budget=reading.budget)


def _joined(checkpoint: str, benchmark: str, reading: Reading, responses: pa.Table, grades: pa.Table) -> pd.DataFrame:
    """Return the graded responses to a benchmark in one reading."""
    answered, graded = (
        rows_read_at(table, reading).filter(pc.field("benchmark") == benchmark).drop_columns(list(reading._fields))
        for table in (responses, grades.select([*QUESTION, *Reading._fields, "outcome"]))
    )
    both = answered.to_pandas().merge(graded.to_pandas(), on=QUESTION, validate="one_to_one")
    if both.empty:
        at = "" if reading.read_at is None else f" read at a context length of {reading.read_at}"
        at += "" if reading.budget is None else f" read at a budget of {reading.budget}"
        raise UserError(f"checkpoint {checkpoint}: there are no graded responses to benchmark '{benchmark}'{at}")
    return both


def _measure(
    both: pd.DataFrame, benchmark: str, levels: Mapping[tuple[str, str], int]
) -> Iterator[tuple[tuple[str, int | None], dict[str, Any]]]:
    """Yield ((benchmark, level), numbers): over all questions (level None), then for each level."""
    yield (benchmark, None), _numbers(both, benchmark, None)
    of_level = both["question_id"].map(lambda question: levels.get((benchmark, question)))
    for level, part in both.groupby(of_level):
        yield (benchmark, int(level)), _numbers(part, benchmark, int(level))


def _numbers(both: pd.DataFrame, benchmark: str, level: int | None) -> dict[str, Any]:
    keywords, lengths = both["keywords"], both["length"]
    ended, scores = both["finish_reason"], both["imported_score"]
    correct = both["outcome"] == "correct"
    right = correct.groupby(both["question_id"]).mean()
    unknown = (ended == UNKNOWN).any()
    return {
        "benchmark": benchmark,
        "level": level,
        "questions": len(right),
        "responses": len(both),
        "accuracy": wilson(float(right.sum()), len(right)),
        "mean_tokens": mean_of(lengths.groupby(both["question_id"]).mean()),
        "median_tokens": float(lengths.median()),
        "mean_tokens_right": float(lengths[correct].mean()) if correct.any() else None,
        "mean_tokens_wrong": None if correct.all() else float(lengths[~correct].mean()),
        "looping": None if unknown else float(both["repetition"].notna().mean()),
        "truncated": None if unknown else float((ended != "stop").mean()),
        "imported_accuracy": None if scores.isna().any() else float(scores.mean()),
        "no_answer": float((both["outcome"] == "no_answer").mean()),
        "grader_failures": int(both["outcome"].isin(["timeout", "error"]).sum()),
        "reflective": float((keywords > 0).mean()),
        "reflection_keywords": float(keywords[keywords > 0].mean()) if keywords.any() else 0.0,
    }


def _with_mean(numbers: _Numbers, reference: _Numbers) -> list[dict[str, Any]]:
    """Return numbers with their change of length: over all questions, their mean, then those of levels."""
    parts = [_with_change(part, reference.get(key)) for key, part in numbers.items()]
    whole = [part for part in parts if part["level"] is None]
    of_levels = [part for part in parts if part["level"] is not None]
    return [*whole, *([_mean(whole)] if len(whole) > 1 else []), *of_levels]


def _with_change(part: dict[str, Any], reference: dict[str, Any] | None) -> dict[str, Any]:
    tokens = reference["mean_tokens"].value if reference else 0
    return {**part, "length_change": part["mean_tokens"].value / tokens - 1 if tokens else None}


def _mean(parts: list[dict[str, Any]]) -> dict[str, Any]:
    frame = pd.DataFrame([{key: value for key, value in part.items() if key not in WITH_LIMITS} for part in parts])
    with_any = frame.loc[frame["reflective"] > 0, "reflection_keywords"]
    return {
        "benchmark": MEAN,
        "level": None,
        "questions": int(frame["questions"].sum()),
        "responses": int(frame["responses"].sum()),
        **{key: mean_of_intervals([part[key] for part in parts]) for key in WITH_LIMITS},
        **{key: None if frame[key].isna().any() else float(frame[key].mean()) for key in MAY_BE_NULL},
        "grader_failures": int(frame["grader_failures"].sum()),
        **frame[list(MEANS)].mean().to_dict(),
        "reflection_keywords": float(with_any.mean()) if len(with_any) else 0.0,
    }


def _with_limits(line: dict[str, Any]) -> dict[str, Any]:
    intervals: dict[str, Interval] = {key: line[key] for key in WITH_LIMITS}
    limits = {f"{key}_{side}": getattr(value, side) for key, value in intervals.items() for side in ("low", "high")}
    return {**line, **limits, **{key: value.value for key, value in intervals.items()}}
