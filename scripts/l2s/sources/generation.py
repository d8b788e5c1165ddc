"""A generation of another tool: what a format reads from a record of its file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from l2s.errors import UserError


class Record(NamedTuple):
    """One record of a file: a line, a row or a sample.

    Attributes:
        place: Where it is, for messages: ``file.jsonl, line 17``.
        values: Its fields.
    """

    place: str
    values: dict[str, Any]

    def need(self, field: str, *types: type) -> Any:
        """Return a field that must be there and of one of these types.

        Raises:
            UserError: It is not; names the place and the field.
        """
        if field not in self.values:
            raise UserError(f"{self.place}: field '{field}' is missing; the record has {', '.join(self.values)}")
        value = self.values[field]
        if types and not isinstance(value, types):
            wanted = " or ".join(kind.__name__ for kind in types)
            raise UserError(f"{self.place}: field '{field}' must be {wanted}, found {type(value).__name__}")
        return value

    def texts(self, field: str) -> list[str]:
        """Return a field that holds a text, or a list of them, as a list."""
        value = self.need(field, str, list)
        values = [value] if isinstance(value, str) else value
        if not values or not all(isinstance(text, str) for text in values):
            raise UserError(f"{self.place}: field '{field}' must hold at least one text, and nothing else")
        return values

    def scores(self, field: str, count: int) -> list[float | None]:
        """Return a field's scores, one for each of ``count`` responses; nulls if the record lacks it."""
        value = self.values.get(field)
        values = value if isinstance(value, list) else [value] * count
        if len(values) != count:
            raise UserError(f"{self.place}: field '{field}' holds {len(values)} values for {count} responses")
        return [self._score(field, one) for one in values]

    def _score(self, field: str, value: Any) -> float | None:
        if value is None:
            return None
        if not isinstance(value, bool | int | float) or not 0 <= value <= 1:
            raise UserError(f"{self.place}: field '{field}' must be a score from 0 to 1, found {value!r}")
        return float(value)


class Generation(NamedTuple):
    """A response as its file has it; what the file does not tell is None.

    Attributes:
        place: Where it is in its file, for messages.
        text: The response.
        sample: Index of the sample, from 0.
        question: The question's text, or a prompt that holds it.
        index: The question's number or identifier in the file.
        score: What the other tool made of it, 0 to 1.
        finish_reason: One of FINISH_REASONS.
        output_ids: The tokens that were generated.
        benchmark: The benchmark of the question, if the file holds several; those of others are passed over.
        response: Of a responses Parquet of this project: the whole row.
    """

    place: str
    text: str
    sample: int
    question: str | None = None
    index: str | None = None
    score: float | None = None
    finish_reason: str | None = None
    output_ids: Sequence[int] | None = None
    benchmark: str | None = None
    response: dict[str, Any] | None = None
