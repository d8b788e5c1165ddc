"""The schemas of kept verdicts: what a grader said of a text, or of an answer, and the right answer."""

import pyarrow as pa

from l2s.contracts.parquet import Column, schema_of

VERDICTS = schema_of(
    [
        Column("key", pa.string(), "sha256 of the response's text, the right answer and the benchmark's name"),
        Column("outcome", pa.string(), "correct, wrong or no_answer, see the schema of grades"),
        Column("answer", pa.string(), "the answer that the grader found; null: none", nullable=True),
        Column("answer_start", pa.int32(), "place of its first character, from 0", nullable=True),
        Column("answer_end", pa.int32(), "place behind its last character", nullable=True),
        Column("gold_parsed", pa.string(), "what the grader made of the right answer", nullable=True),
    ]
)

ANSWERS = schema_of(
    [
        Column("key", pa.string(), "sha256 of an answer and the right answer, both as the grader compares them"),
        Column("right", pa.bool_(), "whether the answer is right"),
        Column("gold_parsed", pa.string(), "what the grader made of the right answer"),
    ]
)
