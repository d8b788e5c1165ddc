"""The schema of the spectra of task vectors."""

import pyarrow as pa

from l2s.contracts.parquet import Column, schema_of

SPECTRA = schema_of(
    [
        Column("tensor", pa.string(), "name of the matrix"),
        Column("layer", pa.int32(), "number of its decoder layer; null outside the layers", nullable=True),
        Column("module", pa.string(), "kind of module that it belongs to, e.g. q_proj"),
        Column("rows", pa.int32(), "rows of the matrix"),
        Column("columns", pa.int32(), "columns of the matrix"),
        Column("rank", pa.int32(), "ordinal of the singular value, from 1, in descending order"),
        Column("singular_value", pa.float64(), "singular value of the task vector, model − base, in float32"),
    ]
)
