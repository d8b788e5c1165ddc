"""The schema of responses: what every decode job writes, whatever the engine."""

import pyarrow as pa
import pyarrow.compute as pc

from l2s.contracts.parquet import Column, schema_of

READ_AT = Column(
    "read_at",
    pa.int32(),
    "null: the response as it was decoded, these rows come first; a number: the same response, cut where a context "
    "length of so many tokens (prompt and response together) would have ended it",
    nullable=True,
)
FINISH_REASONS = ("stop", "length", "context_length", "prompt_too_long")
CUT = ("length", "context_length")

RESPONSES = schema_of(
    [
        Column("benchmark", pa.string(), "name of the benchmark's entry"),
        Column("question_id", pa.string(), "identifier of the question in its benchmark"),
        Column("sample", pa.int32(), "index of the sample, from 0"),
        READ_AT,
        Column("prompt_sha256", pa.string(), "sha256 of the prompt's token ids, as little-endian int32"),
        Column("prompt_tokens", pa.int32(), "length of the prompt in tokens"),
        Column("text", pa.string(), "the response, special tokens left out, cut before the stop string that ended it"),
        Column(
            "output_ids",
            pa.list_(pa.int32()),
            "token ids exactly as generated, the closing stop token or the tokens of the stop string included",
        ),
        Column("output_tokens", pa.int32(), "number of output_ids"),
        Column(
            "retokenized",
            pa.int32(),
            "number of tokens that the checkpoint's tokenizer makes of the stripped text, with the special tokens (a "
            "begin-of-sequence token) that it adds",
        ),
        Column(
            "finish_reason",
            pa.string(),
            "stop: ended by a stop token or stop string; length: cut by the budget; context_length: cut by the "
            "context length; "
            "prompt_too_long: the context length leaves no room for a single token, nothing was generated",
        ),
        Column(
            "thinking_closed",
            pa.bool_(),
            "whether the thinking that prompt or response opened with <think> was closed; null: none was opened",
            nullable=True,
        ),
        Column(
            "repetition",
            pa.int32(),
            "period, in tokens, of the loop that a cut response (length, context_length) ends in; null: not cut, or "
            "no loop",
            nullable=True,
        ),
    ]
)


def rows_read_at(table: pa.Table, context_length: int | None = None) -> pa.Table:
    """Return the rows of a table with the column ``read_at`` that are of one reading; None: as decoded."""
    column = table["read_at"]
    return table.filter(pc.is_null(column) if context_length is None else pc.equal(column, context_length))
