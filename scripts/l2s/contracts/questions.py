"""The schema of questions: a benchmark's, with their gold answers."""

import pyarrow as pa

from l2s.contracts.parquet import Column, schema_of

QUESTIONS = schema_of(
    [
        Column("benchmark", pa.string(), "name of the benchmark's entry"),
        Column("question_id", pa.string(), "identifier of the question, unique in its benchmark"),
        Column("question", pa.string(), "text of the question"),
        Column("gold", pa.string(), "the right answer, as the grader reads it"),
        Column("level", pa.int32(), "difficulty, 1 = easiest; null where the benchmark has none", nullable=True),
    ]
)
