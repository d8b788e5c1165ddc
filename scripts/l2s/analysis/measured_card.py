"""What a study measured of a checkpoint, as its model card and the hub's model-index say it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isnan
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import yaml

from l2s.analysis.table import overall
from l2s.checkpoints.model_card import Measured
from l2s.contracts.comparisons import REFERENCE
from l2s.contracts.table import MEAN
from l2s.errors import UserError

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

COLUMNS = ("benchmark", "model", "questions", "accuracy", "mean tokens", "change in length", "truncated")
HEADER = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"
# Of the decode settings: those that change what a model answers.
SETTINGS = ("engine", "dtype", "max_new_tokens", "context_length", "sampling", "stop_strings")


def measured_of(
    checkpoint: str,
    table: pa.Table,
    comparisons: pa.Table,
    decoding: Mapping[str, Any],
    datasets: Mapping[str, str],
) -> Measured:
    """Return what a study's table and comparisons say of a checkpoint.

    Args:
        checkpoint: Its name.
        table: The study's, with the schema TABLE.
        comparisons: The study's, with the schema COMPARISONS.
        decoding: What is known of its decoding, from the file beside the responses.
        datasets: The hub's name of each benchmark's data set, where it has one.

    Raises:
        UserError: The study has no line of it.
    """
    frame = overall(table)
    lines = frame[frame["read_at"].isna() & frame["budget"].isna()].to_dict("records")
    own = [line for line in lines if line["checkpoint"] == checkpoint]
    # One pair's: another that shares the checkpoint says the same of it.
    own = [line for line in own if line["pair"] == own[0]["pair"]]
    if not own:
        known = ", ".join(sorted({line["checkpoint"] for line in lines}))
        raise UserError(f"the study's table has no line of {checkpoint}; it has {known}")
    pair, grader = own[0]["pair"], own[0]["grader"]
    models = [line for line in lines if line["pair"] == pair and line["method"] in ("quick", "slow")]
    shown = [line for one in own for line in [one, *(m for m in models if m["benchmark"] == one["benchmark"])]]
    against = [
        line
        for line in comparisons.to_pylist()
        if (line["checkpoint"], line["pair"], line["grader"]) == (checkpoint, pair, grader)
        and line["against_is"] == REFERENCE
    ]
    settings = {key: decoding["settings"][key] for key in SETTINGS if key in decoding["settings"]}
    settings["prompt"] = decoding["prompt"]
    parts = [
        "## Measured",
        "\n".join([HEADER, *map(_row, shown)]),
        f"With 95 % intervals, graded by `{grader}`. The change in length is against the pair's reference.",
        "\n".join(map(_verdict, against)),
        f"Decode settings:\n\n```yaml\n{yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)}```\n",
    ]
    results = [result for line in own if line["benchmark"] != MEAN for result in _results(line, datasets)]
    return Measured("\n\n".join(filter(None, parts)), results)


def _row(line: dict[str, Any]) -> str:
    change = "" if isnan(line["length_change"]) else f"{line['length_change']:+.1%}"
    accuracy = f"{line['accuracy']:.1%} [{line['accuracy_low']:.1%}, {line['accuracy_high']:.1%}]"
    tokens = f"{line['mean_tokens']:,.1f} [{line['mean_tokens_low']:,.1f}, {line['mean_tokens_high']:,.1f}]"
    truncated = "" if isnan(line["truncated"]) else f"{line['truncated']:.1%}"
    cells = [line["benchmark"], line["recipe"], line["questions"], accuracy, tokens, change, truncated]
    return "| " + " | ".join(map(str, cells)) + " |"


def _verdict(line: dict[str, Any]) -> str:
    allowed = f"that no more than {line['allowed_loss']:.1%} of accuracy is lost against {line['against']}"
    bound = f"the loss is at most {line['loss_bound']:.1%} (one-sided 95 % bound)"
    return f"- {line['benchmark']}: {allowed} is **{line['verdict']}**; {bound}."


def _results(line: dict[str, Any], datasets: Mapping[str, str]) -> Iterator[EvalResult]:
    from huggingface_hub import EvalResult

    benchmark = line["benchmark"]
    measures = [
        ("accuracy", "accuracy", line["accuracy"]),
        ("length", "mean response length in tokens", line["mean_tokens"]),
    ]
    for kind, name, value in measures:
        yield EvalResult(
            task_type="text-generation",
            dataset_type=datasets.get(benchmark, benchmark),
            dataset_name=benchmark,
            metric_type=kind,
            metric_name=name,
            metric_value=round(value, 4),
        )
