"""A study's table: one line for each checkpoint and benchmark, and one for the mean over benchmarks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
from pydantic import Field

from l2s.analysis.intervals import Interval, mean_of, mean_of_intervals, wilson
from l2s.analysis.reflection import count_keywords
from l2s.config import StrictModel
from l2s.contracts.parquet import table_of
from l2s.contracts.table import MEAN, QUESTION, TABLE
from l2s.errors import UserError
from l2s.files import canonical_json

WITH_LIMITS = ("accuracy", "mean_tokens")


class Row(StrictModel):
    """What a line of the table is made from."""

    pair: str
    method: str
    recipe: str
    hyper_parameters: dict[str, Any] = Field({}, description="the recipe's, nested recipes as mappings")
    checkpoint: str
    reference: str | None = Field(None, description="checkpoint that lengths are compared with")


def make_table(
    study: str,
    rows: Sequence[Row],
    benchmarks: Sequence[str],
    read: Mapping[str, tuple[pa.Table, pa.Table]],
    levels: Mapping[tuple[str, str], int] | None = None,
) -> pa.Table:
    """Build a study's table.

    Args:
        study: Name of the study.
        rows: Its lines, in order.
        benchmarks: Its benchmarks, in order.
        read: By checkpoint, its tables of responses and grades.
        levels: By (benchmark, question_id), the question's level, where it has one.

    Returns:
        A table with the schema TABLE: the lines over all questions, then those of single levels.

    Raises:
        UserError: A checkpoint has no responses to one of the benchmarks, or is not in ``read``.
    """
    for name in {name for row in rows for name in (row.checkpoint, row.reference) if name} - read.keys():
        raise UserError(f"study {study}: no responses and grades are given for checkpoint {name}")
    measured = {
        name: {key: part for benchmark in benchmarks for key, part in _measure(name, benchmark, *tables, levels or {})}
        for name, tables in read.items()
    }
    lines = []
    for row in rows:
        reference = measured[row.reference] if row.reference else {}
        parts = [_with_change(part, reference.get(key)) for key, part in measured[row.checkpoint].items()]
        whole = [part for part in parts if part["level"] is None]
        of_levels = [part for part in parts if part["level"] is not None]
        head = {"study": study, **row.model_dump(include={"pair", "method", "recipe", "checkpoint"})}
        head["hyper_parameters"] = canonical_json(row.hyper_parameters)
        lines += [{**head, **part} for part in [*whole, *([_mean(whole)] if len(whole) > 1 else []), *of_levels]]
    return table_of([_with_limits(line) for line in sorted(lines, key=lambda line: line["level"] is not None)], TABLE)


def overall(summary: pa.Table) -> pd.DataFrame:
    """Return the lines over all questions."""
    frame = summary.to_pandas()
    return frame[frame["level"].isna()].drop(columns="level")


def _measure(
    checkpoint: str, benchmark: str, responses: pa.Table, grades: pa.Table, levels: Mapping[tuple[str, str], int]
) -> Iterator[tuple[tuple[str, int | None], dict[str, Any]]]:
    """Yield ((benchmark, level), numbers): over all questions (level None), then for each level."""
    answered = responses.drop_columns(["output_ids"]).to_pandas()
    full = grades.to_pandas().drop_duplicates(QUESTION)  # the full budget comes first
    both = answered[answered["benchmark"] == benchmark].merge(full, on=QUESTION, validate="one_to_one")
    if both.empty:
        raise UserError(f"checkpoint {checkpoint}: there are no graded responses to benchmark '{benchmark}'")
    yield (benchmark, None), _numbers(both, benchmark, None)
    of_level = both["question_id"].map(lambda question: levels.get((benchmark, question)))
    for level, part in both.groupby(of_level):
        yield (benchmark, int(level)), _numbers(part, benchmark, int(level))


def _numbers(both: pd.DataFrame, benchmark: str, level: int | None) -> dict[str, Any]:
    keywords = both["text"].map(count_keywords)
    right = (both["outcome"] == "correct").groupby(both["question_id"]).mean()
    return {
        "benchmark": benchmark,
        "level": level,
        "questions": len(right),
        "responses": len(both),
        "accuracy": wilson(float(right.sum()), len(right)),
        "mean_tokens": mean_of(both["output_tokens"].groupby(both["question_id"]).mean()),
        "truncated": float((both["finish_reason"] != "stop").mean()),
        "no_answer": float((both["outcome"] == "no_answer").mean()),
        "grader_failures": int(both["outcome"].isin(["timeout", "error"]).sum()),
        "reflective": float((keywords > 0).mean()),
        "reflection_keywords": float(keywords[keywords > 0].mean()) if keywords.any() else 0.0,
    }


def _with_change(part: dict[str, Any], reference: dict[str, Any] | None) -> dict[str, Any]:
    tokens = reference["mean_tokens"].value if reference else 0
    return {**part, "length_change": part["mean_tokens"].value / tokens - 1 if tokens else None}


def _mean(parts: list[dict[str, Any]]) -> dict[str, Any]:
    frame = pd.DataFrame([{key: value for key, value in part.items() if key not in WITH_LIMITS} for part in parts])
    changes = frame["length_change"]
    return {
        "benchmark": MEAN,
        "level": None,
        "questions": int(frame["questions"].sum()),
        "responses": int(frame["responses"].sum()),
        **{key: mean_of_intervals([part[key] for part in parts]) for key in WITH_LIMITS},
        "length_change": None if changes.isna().any() else float(changes.mean()),
        "grader_failures": int(frame["grader_failures"].sum()),
        **frame[["truncated", "no_answer", "reflective", "reflection_keywords"]].mean().to_dict(),
    }


def _with_limits(line: dict[str, Any]) -> dict[str, Any]:
    intervals: dict[str, Interval] = {key: line[key] for key in WITH_LIMITS}
    limits = {f"{key}_{side}": getattr(value, side) for key, value in intervals.items() for side in ("low", "high")}
    return {**line, **limits, **{key: value.value for key, value in intervals.items()}}
