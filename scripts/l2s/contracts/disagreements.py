"""The schema of disagreements: responses on which graders differ or failed, for a person to read."""

import pyarrow as pa

from l2s.contracts.parquet import Column, schema_of


def _of(which: str) -> list[Column]:
    return [
        Column(f"{which}_grader", pa.string(), f"name of the {which} grader"),
        Column(f"{which}_outcome", pa.string(), "what it says became of the response, see the schema of grades"),
        Column(f"{which}_answer", pa.string(), "the answer that it found; null: none", nullable=True),
    ]


DISAGREEMENTS = schema_of(
    [
        Column("checkpoint", pa.string(), "the checkpoint's path under checkpoints/ in the results folder"),
        Column("benchmark", pa.string(), "name of the benchmark's entry"),
        Column("question_id", pa.string(), "identifier of the question in its benchmark"),
        Column("sample", pa.int32(), "index of the sample, from 0"),
        Column("gold", pa.string(), "the right answer"),
        *_of("first"),
        *_of("second"),
    ]
)
