"""From rows of calibration data to token ids, and which of them are the answer."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch

from l2s.errors import UserError

QUESTION, ANSWER = "{question}", "{answer}"


class Text(NamedTuple):
    """A row of calibration data as a model reads it.

    Attributes:
        row_id: The row.
        ids: int64 [tokens], question, answer and end of text.
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


def encode(rows: Iterable[dict[str, Any]], text: str, answer: str, max_tokens: int, tokenizer: Any) -> list[Text]:
    """Turn rows of calibration data into token ids.

    The text is tokenized as a whole; tokens that reach into the answer are the answer's. The end-of-sequence token
    follows, then the text is cut to ``max_tokens`` tokens.

    Args:
        rows: Rows of the schema CALIBRATION_DATA.
        text: What a model reads, with {question} and, at its end, {answer}.
        answer: ``quick`` or ``slow``: which answer.
        max_tokens: Length that texts are cut to.
        tokenizer: A fast tokenizer of transformers.

    Raises:
        UserError: Nothing is left of a row's answer, or it begins with the first token.
    """
    before, between = text.removesuffix(ANSWER).split(QUESTION)
    texts = []
    for row in rows:
        head = before + row["question"] + between
        encoded = tokenizer(head + row[f"{answer}_answer"], add_special_tokens=False, return_offsets_mapping=True)
        ids = [*encoded["input_ids"], tokenizer.eos_token_id]
        # The end of text counts as answer, so that there is always a first token.
        ends = [end for _, end in encoded["offset_mapping"]] + [len(head) + 1]
        start = next(number for number, end in enumerate(ends) if end > len(head))
        if not 0 < start < max_tokens:
            raise UserError(
                f"calibration row {row['row_id']}: the answer begins at token {start}, outside the "
                f"{max_tokens} tokens that 'max_tokens' allows; raise it or take other rows"
            )
        kept = torch.tensor(ids[:max_tokens])
        texts.append(Text(row["row_id"], kept, start, len(ids) > max_tokens))
    return texts
