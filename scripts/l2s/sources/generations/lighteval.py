"""lighteval, ``details_<task>_<time>.parquet`` (--save-details): a row is a question with the responses to it."""

from collections.abc import Iterable, Iterator
from typing import Any

from l2s.errors import UserError
from l2s.sources.generation import Generation, Record

SUFFIXES = (".parquet",)
FIELDS = frozenset({"doc", "model_response", "metric"})


def read(records: Iterable[Record]) -> Iterator[Generation]:
    """Yield the responses of each row; ``doc.query`` is the prompt that holds the question."""
    for record in records:
        doc, answer = record.need("doc", dict), record.need("model_response", dict)
        texts = answer.get("text")
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            raise UserError(f"{record.place}: field 'model_response.text' must be a list of texts")
        tokens = answer.get("output_tokens") or []
        identifier = doc.get("id")
        for sample, text in enumerate(texts):
            ids = tokens[sample] if len(tokens) == len(texts) else None
            yield Generation(
                record.place,
                text,
                sample,
                question=doc.get("query"),
                index=None if identifier in (None, "") else str(identifier),
                # A metric of several responses is one of all of them together, not of each.
                score=_score(record.need("metric", dict)) if len(texts) == 1 else None,
                # Some of its back ends keep the tokens, others leave the list empty.
                output_ids=ids if isinstance(ids, list) and ids else None,
            )


def _score(metrics: dict[str, Any]) -> float | None:
    """Return the first metric that is a number from 0 to 1."""
    numbers = (value for value in metrics.values() if isinstance(value, bool | int | float) and 0 <= value <= 1)
    return next(map(float, numbers), None)
