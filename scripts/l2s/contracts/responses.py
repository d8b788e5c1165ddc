"""The schema of responses: what every decode job writes, whatever the engine."""

import pyarrow as pa

from l2s.contracts.parquet import Column, schema_of

FINISH_REASONS = ("stop", "length", "context_length", "prompt_too_long")
CUT = ("length", "context_length")

RESPONSES = schema_of(
    [
        Column("benchmark", pa.string(), "name of the benchmark's entry"),
        Column("question_id", pa.string(), "identifier of the question in its benchmark"),
        Column("sample", pa.int32(), "index of the sample, from 0"),
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
