"""The schema of an audit: one line for each number that is published, with ours beside it."""

import pyarrow as pa

from l2s.contracts.parquet import Column, schema_of

REPRODUCED, WITHIN_NOISE, DIFFERS, NOT_RUN, NOT_COMPARABLE = VERDICTS = (
    "reproduced",
    "within noise",
    "differs",
    "not run",
    "not comparable",
)
CLAIMS = "claims"  # the table that the text's claims are lines of

ALTERNATIVE = pa.struct(
    [
        pa.field("what", pa.string(), nullable=False),
        pa.field("assumption", pa.string()),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("explains", pa.bool_(), nullable=False),
    ]
)

AUDIT = schema_of(
    [
        Column("table", pa.string(), f"table or figure, as config/published names it; '{CLAIMS}': the text"),
        Column("pair", pa.string(), "name of the pair"),
        Column("method", pa.string(), "quick, slow, or the method"),
        Column("label", pa.string(), "the row as the source names it; of a claim, what the text says"),
        Column("benchmark", pa.string(), "name of the benchmark, mean, or all; null: of none", nullable=True),
        Column("level", pa.int32(), "only the questions of this level; null: all questions", nullable=True),
        Column("metric", pa.string(), "what is measured, see config/published/README.md"),
        Column("unit", pa.string(), "unit of all numbers of this line"),
        Column("published_low", pa.float64(), "what is published; null: open at this end", nullable=True),
        Column("published_high", pa.float64(), "the same number, but for a range; null: open", nullable=True),
        Column("rounding", pa.float64(), "half a unit of the last digit that is printed"),
        Column("study", pa.string(), "the study that measures it; null: none of the configuration", nullable=True),
        Column("recipe", pa.string(), "the study's line, as its table names it; null: not run", nullable=True),
        Column("ours", pa.float64(), "what we measured; null: nothing", nullable=True),
        Column("ours_low", pa.float64(), "lower limit of its 95 % interval; ours, where none is known", nullable=True),
        Column("ours_high", pa.float64(), "upper limit of its 95 % interval; ours, where none is known", nullable=True),
        Column("difference", pa.float64(), "ours minus what is published, or minus the nearer end", nullable=True),
        Column("noise", pa.float64(), "what decoding again changed of this number; null: not measured", nullable=True),
        Column(
            "verdict",
            pa.string(),
            f"{REPRODUCED}: the published number, before it was rounded, may lie inside our interval (a range with an "
            f"open end: ours lies in the range); {WITHIN_NOISE}: outside, but decoding again changes as much; "
            f"{DIFFERS}; {NOT_RUN}; {NOT_COMPARABLE}: see reason",
        ),
        Column("reason", pa.string(), "why it is not comparable or not run, or why it cannot be right", nullable=True),
        Column("assumptions", pa.list_(pa.string()), "names in config/assumptions.yaml that reach this number"),
        Column(
            "alternatives",
            pa.list_(ALTERNATIVE),
            "where it differs, what else was measured: what; the assumption that it is an alternative of; its value; "
            "whether it explains the difference: the published number lies in our interval, moved to this value",
        ),
    ]
)
