"""Inspect's logs, ``.eval`` or ``.json``: a sample is a question in one epoch."""

from collections.abc import Iterable, Iterator
from typing import Any

from l2s.errors import UserError
from l2s.sources.generation import Generation, Record

SUFFIXES = (".eval", ".json")
FIELDS = frozenset({"id", "epoch", "input", "output"})
FINISHES = {"stop": "stop", "max_tokens": "length", "model_length": "context_length"}
GRADES = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}  # correct, incorrect, partially correct, no answer


def read(records: Iterable[Record]) -> Iterator[Generation]:
    """Yield the response of each sample; reasoning that is kept apart from the answer comes before it, in <think>."""
    for record in records:
        output = record.need("output", dict)
        choices = output.get("choices") or []
        if not choices:
            raise UserError(f"{record.place}: field 'output.choices' is empty; the sample failed, evaluate it again")
        yield Generation(
            record.place,
            _text(choices[0].get("message", {}).get("content", "")),
            record.need("epoch", int) - 1,
            question=_question(record.need("input", str, list)),
            index=str(record.need("id", str, int)),
            score=_score(record.values.get("scores") or {}),
            finish_reason=FINISHES.get(choices[0].get("stop_reason")),
        )


def _text(content: str | list[dict[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    thinking = "".join(part["reasoning"] for part in content if part.get("type") == "reasoning")
    answer = "".join(part["text"] for part in content if part.get("type") == "text")
    return f"<think>\n{thinking}\n</think>\n\n{answer}" if thinking else answer


def _question(given: str | list[dict[str, Any]]) -> str | None:
    """Return the input: a text, or the text of the last message of a user's."""
    if isinstance(given, str):
        return given
    asked = [message["content"] for message in given if message.get("role") == "user"]
    return _text(asked[-1]) if asked else None


def _score(scores: dict[str, Any]) -> float | None:
    """Return the first scorer's value: a grade in a letter, or a number from 0 to 1."""
    value = next((score.get("value") for score in scores.values()), None)
    if isinstance(value, str):
        return GRADES.get(value)
    return float(value) if isinstance(value, bool | int | float) and 0 <= value <= 1 else None
