"""The Qwen2.5-Math evaluation toolkit's JSONL: a line is a question with the responses to it."""

from collections.abc import Iterable, Iterator

from l2s.sources.generation import Generation, Record

SUFFIXES = (".jsonl",)
FIELDS = frozenset({"question", "code"})


def read(records: Iterable[Record]) -> Iterator[Generation]:
    """Yield the responses (``code``) of each line with the toolkit's verdicts (``score``)."""
    for record in records:
        texts = record.texts("code")
        index = record.values.get("idx")
        for sample, (text, score) in enumerate(zip(texts, record.scores("score", len(texts)), strict=True)):
            yield Generation(
                record.place,
                text,
                sample,
                question=record.need("question", str),
                index=None if index is None else str(index),
                score=score,
            )
