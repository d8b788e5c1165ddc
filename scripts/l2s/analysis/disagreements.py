"""Responses that one grader calls right and another does not, or on which one of them failed."""

from collections.abc import Collection, Mapping
from itertools import combinations

import pandas as pd
import pyarrow as pa

from l2s.contracts.disagreements import DISAGREEMENTS
from l2s.contracts.grades import FAILURES
from l2s.contracts.responses import rows_read_at
from l2s.contracts.table import QUESTION


def disagreements(grades: Mapping[str, Mapping[str, pa.Table]], benchmarks: Collection[str] | None = None) -> pa.Table:
    """List them, as decoded.

    Args:
        grades: By checkpoint and grader, tables of grades of the same responses.
        benchmarks: Those to look at; None: all.

    Returns:
        A table with the schema DISAGREEMENTS, by checkpoint in the order given. Two graders agree that
        both find no right answer, whatever the reason, unless one of them took too long or failed.
    """
    parts = [DISAGREEMENTS.empty_table()]
    for checkpoint, by_grader in grades.items():
        for one, other in combinations(by_grader, 2):
            both = _named(by_grader[one], one, "first").merge(
                _named(by_grader[other], other, "second").drop(columns="gold"), on=QUESTION, validate="one_to_one"
            )
            differ = (both["first_outcome"] == "correct") != (both["second_outcome"] == "correct")
            failed = both[["first_outcome", "second_outcome"]].isin(FAILURES).any(axis=1)
            asked = both["benchmark"].isin(both["benchmark"] if benchmarks is None else benchmarks)
            found = both[(differ | failed) & asked].assign(checkpoint=checkpoint)
            parts.append(pa.Table.from_pandas(found, DISAGREEMENTS, preserve_index=False))
    return pa.concat_tables(parts)


def display_frame(table: pa.Table) -> pd.DataFrame:
    """Return the table as text cells, the graders' names above their answers."""
    frame = table.to_pandas()
    shown = frame[["checkpoint", "benchmark", "question_id", "gold"]].rename(columns=str.capitalize)
    shown = shown.rename(columns={"Question_id": "Question"})
    for which in ("first", "second"):
        answers = frame[f"{which}_answer"].map(lambda answer: "" if pd.isna(answer) else f": {answer}")
        shown[f"{which.capitalize()} grader"] = frame[f"{which}_grader"] + " " + frame[f"{which}_outcome"] + answers
    return shown


def _named(grades: pa.Table, grader: str, which: str) -> pd.DataFrame:
    frame = rows_read_at(grades).select([*QUESTION, "gold", "outcome", "answer"]).to_pandas()
    named = frame.rename(columns={"outcome": f"{which}_outcome", "answer": f"{which}_answer"})
    return named.assign(**{f"{which}_grader": grader})
