"""The schema of grades: what became of each response."""

from enum import StrEnum

import pyarrow as pa

from l2s.contracts.parquet import Column, schema_of
from l2s.contracts.responses import BUDGET, READ_AT


class Outcome(StrEnum):
    """What became of a response."""

    CORRECT = "correct"
    WRONG = "wrong"
    NO_ANSWER = "no_answer"
    TIMEOUT = "timeout"
    ERROR = "error"


FAILURES = (Outcome.TIMEOUT, Outcome.ERROR)
"""The grader's failures, of which nothing follows for the response."""

GRADES = schema_of(
    [
        Column("benchmark", pa.string(), "name of the benchmark's entry"),
        Column("question_id", pa.string(), "identifier of the question in its benchmark"),
        Column("sample", pa.int32(), "index of the sample, from 0"),
        READ_AT,
        BUDGET,
        Column("outcome", pa.string(), "correct; wrong; no_answer: none found; timeout, error: the grader failed"),
        Column(
            "answer", pa.string(), "the answer that the grader found in the response, as it compared it", nullable=True
        ),
        Column(
            "answer_start", pa.int32(), "place of its first character in the response's text, from 0", nullable=True
        ),
        Column("answer_end", pa.int32(), "place behind its last character", nullable=True),
        Column("gold", pa.string(), "the right answer"),
        Column(
            "gold_parsed",
            pa.string(),
            "what the grader made of it; null if nothing was compared with it",
            nullable=True,
        ),
    ]
)
