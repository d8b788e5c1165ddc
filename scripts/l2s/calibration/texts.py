"""From rows of calibration data to token ids, and which of them are the answer."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from l2s.errors import UserError

QUESTION, ANSWER = "{question}", "{answer}"


class Text(NamedTuple):
    """A row of calibration data as a model reads it.

    Attributes:
        row_id: The row.
        ids: int64 [tokens], question, answer and end-of-sequence token, and what the tokenizer adds.
        answer_start: Index of the first token of the answer.
        cut: Whether the text was longer than allowed.
    """

    row_id: str
    ids: torch.Tensor
    answer_start: int
    cut: bool

    @property
    def answer_tokens(self) -> int:
        """Number of tokens of the answer."""
        return len(self.ids) - self.answer_start


def encode(rows: Sequence[dict[str, Any]], texts: Mapping[str, str], max_tokens: int, tokenizer: Any) -> list[Text]:
    """Turn rows of calibration data into token ids.

    Question, answer and end-of-sequence token are tokenized as one text, to which the tokenizer adds what its files ask
    for, as in the authors' code: DeepSeek-R1's distills read a begin-of-sequence token first, Qwen's models do not.
    Tokens that reach into the answer are the answer's. Then the ids are cut to the first ``max_tokens``.

    Args:
        rows: Rows of the schema CALIBRATION_DATA.
        texts: What a model reads, with {question} and, at its end, {answer}, by kind of answer: ``quick``, ``slow`` or
            both; then the texts of all rows with the one come before those with the other.
        max_tokens: Length that texts are cut to.
        tokenizer: The checkpoint's own, from ``load_tokenizer``, with an end-of-sequence token.

    Raises:
        UserError: Nothing is left of a row's answer, or it begins with the first token.
    """
    return [_encode(row, text, answer, max_tokens, tokenizer) for answer, text in texts.items() for row in rows]


def _encode(row: dict[str, Any], text: str, answer: str, max_tokens: int, tokenizer: Any) -> Text:
    before, between = text.removesuffix(ANSWER).split(QUESTION)
    head = before + row["question"] + between
    encoded = tokenizer(head + row[f"{answer}_answer"] + tokenizer.eos_token, return_offsets_mapping=True)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    # The end-of-sequence token counts as answer, so that there is always a first token. Added tokens end at 0.
    start = next(number for number, (_, end) in enumerate(offsets) if end > len(head))
    if not 0 < start < max_tokens:
        raise UserError(
            f"calibration row {row['row_id']}: the answer begins at token {start}, outside the "
            f"{max_tokens} tokens that 'max_tokens' allows; raise it or take other rows"
        )
    return Text(row["row_id"], torch.tensor(ids[:max_tokens]), start, len(ids) > max_tokens)
