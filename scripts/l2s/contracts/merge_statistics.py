"""The schema of ``statistics.parquet``, which lies beside a merged checkpoint's manifest."""

import pyarrow as pa

from l2s.contracts.parquet import Column, schema_of

STATISTICS_NAME = "statistics.parquet"
# The bound on shifts under which the DARE paper (arXiv 2311.03099, section 4.5) finds its drop to be harmless.
SHIFT_BOUND = 0.002

MERGE_STATISTICS = schema_of(
    [
        Column("tensor", pa.string(), "name of the tensor"),
        Column("layer", pa.int32(), "number of its decoder layer; null outside the layers", nullable=True),
        Column("model", pa.int32(), "ordinal of the model in the recipe, from 1; task vectors are the model's"),
        Column("elements", pa.int64(), "number of elements"),
        Column("base_norm", pa.float64(), "Euclidean norm of the base (without one, of the first model)"),
        Column("task_vector_norm", pa.float64(), "Euclidean norm of the task vector, model − base"),
        Column("merged_norm", pa.float64(), "Euclidean norm of merged − base"),
        Column(
            "cosine", pa.float64(), "cosine of merged − base and the task vector; null if one is zero", nullable=True
        ),
        Column("changed", pa.float64(), "share of elements in which the merged tensor differs from the base"),
        Column(
            "shifts_over_bound", pa.float64(), f"share of the task vector's elements over {SHIFT_BOUND} in magnitude"
        ),
    ]
)
