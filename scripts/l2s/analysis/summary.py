"""A study's table: one line for each checkpoint and benchmark, and one for the mean over benchmarks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
from pydantic import Field

from l2s.analysis.names import MEAN
from l2s.analysis.reflection import count_keywords
from l2s.analysis.statistics import Interval, mean_of, mean_of_intervals, wilson
from l2s.config import StrictModel
from l2s.errors import UserError
from l2s.files import canonical_json
from l2s.parquet import Column, schema_of, table_of

WITH_LIMITS = ("accuracy", "mean_tokens")
QUESTION = ["benchmark", "question_id", "sample"]

SUMMARY = schema_of(
    [
        Column("study", pa.string(), "name of the study"),
        Column("pair", pa.string(), "name of the pair"),
        Column("method", pa.string(), "quick, slow, or the merging method"),
        Column("recipe", pa.string(), "the model, or the method with its hyper-parameters, as tables name it"),
        Column("hyper_parameters", pa.string(), "the recipe's hyper-parameters, as a JSON object"),
        Column("checkpoint", pa.string(), "the checkpoint's path under checkpoints/ in the results folder"),
        Column("benchmark", pa.string(), f"name of the benchmark; '{MEAN}': unweighted mean over the benchmarks"),
        Column("level", pa.int32(), "only the questions of this level; null: all questions", nullable=True),
        Column("questions", pa.int32(), "number of questions (for the mean: of all benchmarks together)"),
        Column("responses", pa.int32(), "number of responses: questions times samples"),
        Column("accuracy", pa.float64(), "share of responses graded correct, in [0, 1]"),
        Column("accuracy_low", pa.float64(), "lower limit of its 95 % interval"),
        Column("accuracy_high", pa.float64(), "upper limit of its 95 % interval"),
        Column("mean_tokens", pa.float64(), "mean response length, in tokens"),
        Column("mean_tokens_low", pa.float64(), "lower limit of its 95 % interval"),
        Column("mean_tokens_high", pa.float64(), "upper limit of its 95 % interval"),
        Column(
            "length_change",
            pa.float64(),
            "mean response length over the reference's, minus 1; for the mean: mean of the benchmarks' changes",
            nullable=True,
        ),
        Column("truncated", pa.float64(), "share of responses cut by budget or window, or whose prompt was too long"),
        Column("no_answer", pa.float64(), "share of responses in which the grader found no answer"),
        Column("grader_failures", pa.int32(), "number of responses on which the grader timed out or failed"),
        Column("reflective", pa.float64(), "share of responses with at least one reflection keyword"),
        Column("reflection_keywords", pa.float64(), "mean number of keywords in reflective responses; 0 if none is"),
    ]
)


class Row(StrictModel):
    """What a line of the table is made from."""

    pair: str
    method: str
    recipe: str
    hyper_parameters: dict[str, Any] = Field({}, description="the recipe's, nested recipes as mappings")
    checkpoint: str
    reference: str | None = Field(None, description="checkpoint that lengths are compared with")


def summarise(
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
        A table with the schema SUMMARY: the lines over all questions, then those of single levels.

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
    return table_of([_with_limits(line) for line in sorted(lines, key=lambda line: line["level"] is not None)], SUMMARY)


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
