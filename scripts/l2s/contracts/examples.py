"""The schema of few-shot examples."""

import pyarrow as pa

from l2s.contracts.parquet import Column, schema_of

EXAMPLES = schema_of(
    [
        Column("set", pa.string(), "name of the set of examples"),
        Column("question", pa.string(), "question of a worked example, exactly as the source has it"),
        Column("answer", pa.string(), "its worked answer, exactly as the source has it"),
    ]
)
