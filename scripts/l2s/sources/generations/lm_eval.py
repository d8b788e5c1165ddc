"""lm-evaluation-harness, ``samples_<task>_<time>.jsonl`` (--log_samples): a line for each question and filter."""

from collections.abc import Iterable, Iterator

from l2s.errors import UserError
from l2s.sources.generation import Generation, Record

SUFFIXES = (".jsonl",)
FIELDS = frozenset({"doc", "resps", "filtered_resps"})
# What tasks call the question in their documents, in the order in which they are looked for.
QUESTIONS = ("question", "problem", "Problem", "Question", "query", "input", "prompt")


def read(records: Iterable[Record]) -> Iterator[Generation]:
    """Yield the responses of each line, those of the first filter only: the other filters' lines repeat them."""
    filters: list[str | None] = []
    for record in records:
        filters = filters or [record.values.get("filter")]
        if record.values.get("filter") not in filters:
            continue
        doc = record.need("doc", dict)
        question = next((doc[key] for key in QUESTIONS if isinstance(doc.get(key), str)), None)
        texts = _texts(record)
        index = record.values.get("doc_id")
        for sample, text in enumerate(texts):
            yield Generation(
                record.place,
                text,
                sample,
                question=question,
                index=None if index is None else str(index),
                # A metric of several responses is one of all of them together, not of each.
                score=_score(record) if len(texts) == 1 else None,
            )


def _texts(record: Record) -> list[str]:
    """Return the responses to the one request of a question: log-likelihoods of choices are no texts."""
    requests = record.need("resps", list)
    texts = requests[0] if len(requests) == 1 else None
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise UserError(f"{record.place}: field 'resps' must hold a list with the texts generated for one request")
    return texts


def _score(record: Record) -> float | None:
    """Return the first metric that is a number from 0 to 1."""
    for name in record.values.get("metrics") or ():
        value = record.values.get(name)
        if isinstance(value, bool | int | float) and 0 <= value <= 1:
            return float(value)
    return None
