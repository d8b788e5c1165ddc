"""What grading by hand says in the terminal: accuracy and length by benchmark, and how two models differ."""

from collections.abc import Iterator

import pandas as pd
import pyarrow as pa

from l2s.contracts.grades import Outcome
from l2s.contracts.responses import AS_DECODED, CUT, rows_read_at
from l2s.contracts.table import QUESTION
from l2s.errors import UserError


def graded_frame(responses: pa.Table, grades: pa.Table) -> pd.DataFrame:
    """Return whether each response is right, how many tokens it has and whether it was cut, by question and sample.

    Args:
        responses: Schema RESPONSES.
        grades: Schema GRADES, of these responses.
    """
    columns = ["output_tokens", "finish_reason"]
    decoded = rows_read_at(responses, AS_DECODED).select([*QUESTION, *columns]).to_pandas().set_index(QUESTION)
    outcomes = rows_read_at(grades, AS_DECODED).select([*QUESTION, "outcome"]).to_pandas().set_index(QUESTION)
    right = outcomes["outcome"].eq(Outcome.CORRECT.value)
    cut = decoded["finish_reason"].isin([*CUT, "prompt_too_long"])
    return pd.DataFrame({"right": right, "tokens": decoded["output_tokens"], "cut": cut})


def accuracy_lines(frame: pd.DataFrame) -> Iterator[str]:
    """Say accuracy and length of each benchmark."""
    for benchmark, part in frame.groupby("benchmark", sort=False):
        at_least = "at least " if part["cut"].any() else ""
        yield (
            f"{benchmark}: {part['right'].mean():.1%} right of {len(part):,} responses, {at_least}"
            f"{part['tokens'].mean():,.1f} tokens on average, {part['cut'].mean():.1%} truncated"
        )


def difference_lines(frame: pd.DataFrame, other: pd.DataFrame, name: str) -> Iterator[str]:
    """Say how the first model differs from the other, on the questions that both were asked.

    Raises:
        UserError: There are none.
    """
    both = frame.join(other, how="inner", rsuffix="_other")
    if both.empty:
        raise UserError(f"--against {name}: it answers none of these questions; give responses to the same benchmark")
    for benchmark, part in both.groupby("benchmark", sort=False):
        points = 100 * (part["right"].mean() - part["right_other"].mean())
        change = part["tokens"].mean() / part["tokens_other"].mean() - 1 if part["tokens_other"].any() else float("nan")
        gained, lost = (part["right"] & ~part["right_other"]).sum(), (~part["right"] & part["right_other"]).sum()
        bound = ", where truncated lengths are lower bounds" if part[["cut", "cut_other"]].any(axis=None) else ""
        yield (
            f"{benchmark}, against {name}: {points:+.1f} points ({gained} right only here, {lost} only there), "
            f"length {change:+.1%}{bound}"
        )
