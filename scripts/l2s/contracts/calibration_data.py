"""The schema of calibration data: questions, each with a quick and a slow answer."""

from typing import Literal

import pyarrow as pa

from l2s.contracts.parquet import Column, schema_of

Answer = Literal["quick", "slow", "both"]
"""Which of its answers a model reads; both: one text with each."""

CALIBRATION_DATA = schema_of(
    [
        Column("row_id", pa.string(), "number of the row in its source, from 0"),
        Column("question", pa.string(), "text of the question"),
        Column("quick_answer", pa.string(), "short answer"),
        Column("slow_answer", pa.string(), "long answer: reasoning, then the answer"),
    ]
)
