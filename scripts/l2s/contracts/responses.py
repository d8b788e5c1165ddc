"""The schema of responses: what every decode job writes, whatever the engine."""

from collections.abc import Iterable
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from l2s.contracts.parquet import Column, schema_of

READ_AT = Column(
    "read_at",
    pa.int32(),
    "a number: the response, cut where a context length of so many tokens (prompt and response together) would have "
    "ended it; null: not cut so. Rows with neither this nor a budget are as decoded, and come first",
    nullable=True,
)
BUDGET = Column(
    "budget", pa.int32(), "a number: the response, cut after so many generated tokens; null: not cut so", nullable=True
)
UNKNOWN = "unknown"  # of imported responses
FINISH_REASONS = ("stop", "length", "context_length", "prompt_too_long", UNKNOWN)
CUT = ("length", "context_length")

RESPONSES = schema_of(
    [
        Column("benchmark", pa.string(), "name of the benchmark's entry"),
        Column("question_id", pa.string(), "identifier of the question in its benchmark"),
        Column("sample", pa.int32(), "index of the sample, from 0"),
        READ_AT,
        BUDGET,
        Column(
            "prompt_sha256",
            pa.string(),
            "sha256 of the prompt's token ids, as little-endian int32; null: an imported response",
            nullable=True,
        ),
        Column(
            "prompt_tokens", pa.int32(), "length of the prompt in tokens; null: an imported response", nullable=True
        ),
        Column("text", pa.string(), "the response, special tokens left out, cut before the stop string that ended it"),
        Column(
            "output_ids",
            pa.list_(pa.int32()),
            "token ids exactly as generated, the closing stop token or the tokens of the stop string included; null: "
            "an imported response, of which they are not known",
            nullable=True,
        ),
        Column(
            "output_tokens",
            pa.int32(),
            "number of output_ids; if these are null, of the tokens that the import's tokenizer makes of the text",
        ),
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
            "prompt_too_long: the context length leaves no room for a single token, nothing was generated; unknown: an "
            "imported response, whose file does not say",
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
        Column(
            "imported_score",
            pa.float64(),
            "of an imported response: what the tool that generated it made of it, 0 to 1; null: none is known",
            nullable=True,
        ),
    ]
)


class Reading(NamedTuple):
    """How a response is read: as it was decoded, or cut where a shorter context length or budget would have ended it.

    Attributes:
        read_at: The context length, prompt and response together, in tokens; None: the one it was decoded with.
        budget: The number of generated tokens; None: the one it was decoded with.
    """

    read_at: int | None = None
    budget: int | None = None


AS_DECODED = Reading()


def readings(read_at: Iterable[int] = (), budgets: Iterable[int] = ()) -> list[Reading]:
    """Return the reading as decoded, then those at context lengths, then those at budgets."""
    return [AS_DECODED, *(Reading(length) for length in read_at), *(Reading(budget=budget) for budget in budgets)]


def rows_read_at(table: pa.Table, reading: Reading = AS_DECODED) -> pa.Table:
    """Return the rows of a table with the columns ``read_at`` and ``budget`` that are of one reading."""
    for name, value in reading._asdict().items():
        table = table.filter(pc.is_null(table[name]) if value is None else pc.equal(table[name], value))
    return table
