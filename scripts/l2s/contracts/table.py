"""The schema of a study's table: one line for each checkpoint and benchmark, and one for the mean over benchmarks."""

import pyarrow as pa

from l2s.contracts.parquet import Column, schema_of

# What tells one response from another.
QUESTION = ["benchmark", "question_id", "sample"]
MEAN = "mean"  # the line of a table that is the mean over benchmarks

TABLE = schema_of(
    [
        Column("study", pa.string(), "name of the study"),
        Column("grader", pa.string(), "grader of the accuracy; lines of the study's own grader come first"),
        Column("pair", pa.string(), "name of the pair"),
        Column("method", pa.string(), "quick, slow, or the merging method"),
        Column("recipe", pa.string(), "the model, or the method with its hyper-parameters, as tables name it"),
        Column("hyper_parameters", pa.string(), "the recipe's hyper-parameters, as a JSON object"),
        Column("checkpoint", pa.string(), "the checkpoint's path under checkpoints/ in the results folder"),
        Column("benchmark", pa.string(), f"name of the benchmark; '{MEAN}': unweighted mean over the benchmarks"),
        Column("level", pa.int32(), "only the questions of this level; null: all questions", nullable=True),
        Column(
            "read_at",
            pa.int32(),
            "the responses, cut where a context length of so many tokens would have ended them; null: as decoded",
            nullable=True,
        ),
        Column(
            "budget",
            pa.int32(),
            "the responses, cut after so many generated tokens; null: at the budget that they were decoded with",
            nullable=True,
        ),
        Column("questions", pa.int32(), "number of questions (for the mean: of all benchmarks together)"),
        Column("responses", pa.int32(), "number of responses: questions times samples"),
        Column("accuracy", pa.float64(), "share of responses graded correct, in [0, 1]"),
        Column("accuracy_low", pa.float64(), "lower limit of its 95 % interval"),
        Column("accuracy_high", pa.float64(), "upper limit of its 95 % interval"),
        Column("mean_tokens", pa.float64(), "mean response length, in tokens, counted as the study says"),
        Column("mean_tokens_low", pa.float64(), "lower limit of its 95 % interval"),
        Column("mean_tokens_high", pa.float64(), "upper limit of its 95 % interval"),
        Column("median_tokens", pa.float64(), "median response length; for the mean: mean of the benchmarks' medians"),
        Column(
            "mean_tokens_right",
            pa.float64(),
            "mean length of the responses graded correct; null: there are none (for the mean: in a benchmark)",
            nullable=True,
        ),
        Column("mean_tokens_wrong", pa.float64(), "the same of all other responses", nullable=True),
        Column(
            "length_change",
            pa.float64(),
            "mean response length over the reference's (at a budget: the reference's at the same one), minus 1; for "
            "the mean: mean of the benchmarks' changes",
            nullable=True,
        ),
        Column(
            "truncated",
            pa.float64(),
            "share of responses cut by budget or context_length, or whose prompt was too long; null: imported "
            "responses, of which it is not known",
            nullable=True,
        ),
        Column(
            "looping",
            pa.float64(),
            "share of responses that were cut in a loop, as symptoms.py finds it; null as for truncated",
            nullable=True,
        ),
        Column("no_answer", pa.float64(), "share of responses in which the grader found no answer"),
        Column("grader_failures", pa.int32(), "number of responses on which the grader timed out or failed"),
        Column(
            "imported_accuracy",
            pa.float64(),
            "of imported responses: mean score of the tool that generated them; null: none is known",
            nullable=True,
        ),
        Column("reflective", pa.float64(), "share of responses with at least one of the study's reflection keywords"),
        Column(
            "reflection_keywords",
            pa.float64(),
            "mean number of keywords in reflective responses, 0 if none is; for the mean: of the benchmarks with any",
        ),
    ]
)
