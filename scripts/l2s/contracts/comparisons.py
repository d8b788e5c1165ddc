"""The schema of a study's comparisons: each checkpoint against its reference and against the best of its pair."""

import pyarrow as pa

from l2s.contracts.parquet import Column, schema_of
from l2s.contracts.table import MEAN

REFERENCE, BEST = "reference", "best"


def _limits(name: str, of: str) -> list[Column]:
    unless = "; null: too few questions, or all alike"
    return [
        Column(f"{name}_low", pa.float64(), f"lower limit of the 95 % interval of {of}{unless}", nullable=True),
        Column(f"{name}_high", pa.float64(), f"upper limit of the 95 % interval of {of}{unless}", nullable=True),
    ]


COMPARISONS = schema_of(
    [
        Column("study", pa.string(), "name of the study"),
        Column("grader", pa.string(), "grader that says what is right"),
        Column("pair", pa.string(), "name of the pair"),
        Column("method", pa.string(), "quick, slow, or the merging method"),
        Column("recipe", pa.string(), "the model, or the method with its hyper-parameters, as tables name it"),
        Column("checkpoint", pa.string(), "the checkpoint's path under checkpoints/ in the results folder"),
        Column("against", pa.string(), "the checkpoint that it is compared with"),
        Column("against_is", pa.string(), f"{REFERENCE}: the line's reference; {BEST}: the pair's most accurate line"),
        Column("benchmark", pa.string(), f"name of the benchmark; '{MEAN}': unweighted mean over the benchmarks"),
        Column("questions", pa.int32(), "number of questions (for the mean: of all benchmarks together)"),
        Column("accuracy_difference", pa.float64(), "accuracy minus that of the other checkpoint, in [-1, 1]"),
        *_limits("accuracy_difference", "the difference"),
        Column("p_value", pa.float64(), "of the hypothesis that both are equally accurate"),
        Column("p_holm", pa.float64(), "the same, corrected by Holm for the number of comparisons of this kind"),
        Column("distinguishable", pa.bool_(), "whether p_holm is below 0.05"),
        Column(
            "detectable", pa.float64(), "smallest difference in accuracy that so many questions show with 80 % power"
        ),
        Column("allowed_loss", pa.float64(), "accuracy that the study allows to lose, in [0, 1]"),
        Column("loss_bound", pa.float64(), "the accuracy lost is at most this: one-sided 95 % bound; negative: a gain"),
        Column(
            "verdict",
            pa.string(),
            "whether it is shown that no more than allowed_loss is lost: shown, not shown, refuted; null: not against "
            "the reference",
            nullable=True,
        ),
        Column(
            "length_change", pa.float64(), "mean length over the other's, minus 1; null: it has none", nullable=True
        ),
        *_limits("length_change", "the change"),
        Column("both_right", pa.int32(), "number of questions to which both have a right response"),
        Column(
            "length_change_both_right",
            pa.float64(),
            "the same of the right responses to these questions; null: there are none",
            nullable=True,
        ),
        *_limits("length_change_both_right", "the change"),
        Column(
            "key_points_kept",
            pa.float64(),
            "mean share of the reference's intermediate results that the response keeps, on questions that both got "
            "right; null: not against the reference, or none has any",
            nullable=True,
        ),
    ]
)
