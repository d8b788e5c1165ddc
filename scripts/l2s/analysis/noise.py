"""The noise floor: what changes if the same prompts are decoded again with settings that should not matter.

Batch size and order decide which sums are rounded together; under greedy decoding the first token at which two logits
are nearly equal may then fall the other way, and everything after it differs. A difference between two checkpoints that
is smaller than this says nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from l2s.contracts.noise import NOISE
from l2s.contracts.parquet import table_of
from l2s.contracts.responses import rows_read_at
from l2s.contracts.table import QUESTION
from l2s.errors import UserError


def compare(
    read: Mapping[tuple[str, str], tuple[pa.Table, pa.Table]], benchmarks: Collection[str] | None = None
) -> pa.Table:
    """Compare repetitions.

    Args:
        read: By (checkpoint, decode settings), responses and grades; of each checkpoint the first settings are those
            that the others are compared with.
        benchmarks: Those to look at, as other studies may have asked more with some of the settings; None: all.

    Returns:
        A table with the schema NOISE, a line for each checkpoint, benchmark and repetition.

    Raises:
        UserError: Two settings answered different questions.
    """
    rows = []
    for checkpoint in dict.fromkeys(name for name, _ in read):
        settings = [decoding for name, decoding in read if name == checkpoint]
        first = _joined(*read[checkpoint, settings[0]], benchmarks)
        for again in settings[1:]:
            both = first.merge(
                _joined(*read[checkpoint, again], benchmarks), on=QUESTION, suffixes=("", "_again"), how="outer"
            )
            if both.isna().any(axis=None):
                raise UserError(f"{checkpoint}: '{settings[0]}' and '{again}' did not answer the same questions")
            for benchmark, part in both.groupby("benchmark", sort=False):
                head = {"checkpoint": checkpoint, "benchmark": benchmark, "first": settings[0], "again": again}
                rows.append({**head, **_differences(part)})
    return table_of(rows, NOISE)


def _joined(responses: pa.Table, grades: pa.Table, benchmarks: Collection[str] | None) -> pd.DataFrame:
    answered, graded = (rows_read_at(table).to_pandas() for table in (responses, grades))
    if benchmarks is not None:
        answered = answered[answered["benchmark"].isin(benchmarks)]
    both = answered.merge(graded, on=QUESTION, validate="one_to_one")
    both["correct"] = both["outcome"] == "correct"
    return both[[*QUESTION, "output_ids", "output_tokens", "correct"]]


def _differences(part: pd.DataFrame) -> dict[str, Any]:
    at = [_first_difference(a, b) for a, b in zip(part["output_ids"], part["output_ids_again"], strict=True)]
    places = pd.Series([place for place in at if place is not None], dtype=float)
    return {
        "responses": len(part),
        "changed_responses": len(places),
        "changed_lengths": int((part["output_tokens"] != part["output_tokens_again"]).sum()),
        "changed_grades": int((part["correct"] != part["correct_again"]).sum()),
        "first_difference": float(places.median()) if len(places) else None,
        "accuracy_difference": float(part["correct_again"].astype(float).mean() - part["correct"].astype(float).mean()),
        "length_difference": float(part["output_tokens_again"].mean() / part["output_tokens"].mean() - 1),
    }


def _first_difference(one: Sequence[int], other: Sequence[int]) -> int | None:
    """Return the index of the first token that differs, None if there is none."""
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return place
    return None if len(one) == len(other) else min(len(one), len(other))


def display_frame(noise: pa.Table) -> pd.DataFrame:
    """Return the table as text cells."""
    frame = noise.to_pandas()
    percent = "{:+.2f} %".format
    return pd.DataFrame(
        {
            "Checkpoint": frame["checkpoint"],
            "Benchmark": frame["benchmark"],
            "Again": frame["again"],
            "Responses": frame["responses"].map("{:,}".format),
            "Changed": frame["changed_responses"].map("{:,}".format),
            "Other length": frame["changed_lengths"].map("{:,}".format),
            "Other grade": frame["changed_grades"].map("{:,}".format),
            "First differing token": frame["first_difference"].map(lambda v: "" if pd.isna(v) else f"{v:.0f}"),
            "Accuracy": (100 * frame["accuracy_difference"]).map("{:+.2f} points".format),
            "Length": (100 * frame["length_difference"]).map(percent),
        }
    )
