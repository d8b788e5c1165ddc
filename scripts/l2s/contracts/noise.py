"""The schema of noise studies: what changed when the same prompts were decoded again."""

import pyarrow as pa

from l2s.contracts.parquet import Column, schema_of

NOISE = schema_of(
    [
        Column("checkpoint", pa.string(), "the checkpoint's path under checkpoints/ in the results folder"),
        Column("benchmark", pa.string(), "name of the benchmark"),
        Column("first", pa.string(), "decode settings compared with"),
        Column("again", pa.string(), "decode settings of the repetition"),
        Column("responses", pa.int32(), "number of responses compared"),
        Column("changed_responses", pa.int32(), "number of responses with other token ids"),
        Column("changed_lengths", pa.int32(), "number of responses with another number of tokens"),
        Column("changed_grades", pa.int32(), "number of responses that are correct in one and not in the other"),
        Column(
            "first_difference", pa.float64(), "median index of the first token that differs; null: none", nullable=True
        ),
        Column("accuracy_difference", pa.float64(), "accuracy of the repetition minus that of the first, in [-1, 1]"),
        Column("length_difference", pa.float64(), "mean length of the repetition over the first's, minus 1"),
    ]
)
