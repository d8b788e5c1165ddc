"""A plain JSONL: a line has a ``question`` and its ``response``, a text or a list of them.

It may also have ``idx``, ``sample`` (of a single response), ``score`` and ``finish_reason``.
"""

from collections.abc import Iterable, Iterator

from l2s.contracts.responses import FINISH_REASONS
from l2s.errors import UserError
from l2s.sources.generation import Generation, Record

SUFFIXES = (".jsonl",)
FIELDS = frozenset({"question", "response"})


def read(records: Iterable[Record]) -> Iterator[Generation]:
    """Yield the responses of each line."""
    for record in records:
        texts = record.texts("response")
        first = record.need("sample", int) if "sample" in record.values and len(texts) == 1 else 0
        reason, index = record.values.get("finish_reason"), record.values.get("idx")
        if reason not in (None, *FINISH_REASONS):
            raise UserError(f"{record.place}: field 'finish_reason' must be one of {', '.join(FINISH_REASONS)}")
        for sample, (text, score) in enumerate(zip(texts, record.scores("score", len(texts)), strict=True), first):
            yield Generation(
                record.place,
                text,
                sample,
                question=record.need("question", str),
                index=None if index is None else str(index),
                score=score,
                finish_reason=reason,
            )
