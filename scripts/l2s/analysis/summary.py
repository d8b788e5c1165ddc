"""A study's table: one line for each checkpoint and benchmark, and one for the mean over benchmarks."""

from collections.abc import Mapping, Sequence
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
    study: str, rows: Sequence[Row], benchmarks: Sequence[str], read: Mapping[str, tuple[pa.Table, pa.Table]]
) -> pa.Table:
    """Build a study's table.

    Args:
        study: Name of the study.
        rows: Its lines, in order.
        benchmarks: Its benchmarks, in order.
        read: By checkpoint, its tables of responses and grades.

    Returns:
        A table with the schema SUMMARY.

    Raises:
        UserError: A checkpoint has no responses to one of the benchmarks, or is not in ``read``.
    """
    for name in {name for row in rows for name in (row.checkpoint, row.reference) if name} - read.keys():
        raise UserError(f"study {study}: no responses and grades are given for checkpoint {name}")
    measured = {
        (checkpoint, benchmark): _measure(checkpoint, benchmark, *tables)
        for checkpoint, tables in read.items()
        for benchmark in benchmarks
    }
    lines = []
    for row in rows:
        parts = [dict(measured[row.checkpoint, benchmark]) for benchmark in benchmarks]
        for part, benchmark in zip(parts, benchmarks, strict=True):
            reference = measured[row.reference, benchmark]["mean_tokens"].value if row.reference else 0
            part["length_change"] = part["mean_tokens"].value / reference - 1 if reference else None
        if len(parts) > 1:
            parts.append(_mean(parts))
        head = {"study": study, **row.model_dump(include={"pair", "method", "recipe", "checkpoint"})}
        head["hyper_parameters"] = canonical_json(row.hyper_parameters)
        lines += [{**head, **part} for part in parts]
    return table_of([_with_limits(line) for line in lines], SUMMARY)


def _measure(checkpoint: str, benchmark: str, responses: pa.Table, grades: pa.Table) -> dict[str, Any]:
    answered = responses.drop_columns(["output_ids"]).to_pandas()
    full = grades.to_pandas().drop_duplicates(QUESTION)  # the full budget comes first
    both = answered[answered["benchmark"] == benchmark].merge(full, on=QUESTION, validate="one_to_one")
    if both.empty:
        raise UserError(f"checkpoint {checkpoint}: there are no graded responses to benchmark '{benchmark}'")
    keywords = both["text"].map(count_keywords)
    right = (both["outcome"] == "correct").groupby(both["question_id"]).mean()
    lengths = both["output_tokens"].groupby(both["question_id"]).mean()
    return {
        "benchmark": benchmark,
        "questions": len(right),
        "responses": len(both),
        "accuracy": wilson(float(right.sum()), len(right)),
        "mean_tokens": mean_of(lengths),
        "truncated": float((both["finish_reason"] != "stop").mean()),
        "no_answer": float((both["outcome"] == "no_answer").mean()),
        "grader_failures": int(both["outcome"].isin(["timeout", "error"]).sum()),
        "reflective": float((keywords > 0).mean()),
        "reflection_keywords": float(keywords[keywords > 0].mean()) if keywords.any() else 0.0,
    }


def _mean(parts: list[dict[str, Any]]) -> dict[str, Any]:
    frame = pd.DataFrame([{key: value for key, value in part.items() if key not in WITH_LIMITS} for part in parts])
    means = (
        frame.drop(columns=["benchmark", "questions", "responses", "grader_failures", "length_change"]).mean().to_dict()
    )
    changes = frame["length_change"]
    return {
        "benchmark": MEAN,
        "questions": int(frame["questions"].sum()),
        "responses": int(frame["responses"].sum()),
        **{key: mean_of_intervals([part[key] for part in parts]) for key in WITH_LIMITS},
        "grader_failures": int(frame["grader_failures"].sum()),
        "length_change": None if changes.isna().any() else float(changes.mean()),
        **means,
    }


def _with_limits(line: dict[str, Any]) -> dict[str, Any]:
    intervals: dict[str, Interval] = {key: line[key] for key in WITH_LIMITS}
    limits = {f"{key}_{side}": getattr(value, side) for key, value in intervals.items() for side in ("low", "high")}
    return {**line, **limits, **{key: value.value for key, value in intervals.items()}}
