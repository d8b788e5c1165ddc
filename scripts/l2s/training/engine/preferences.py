"""Preference pairs as token ids: what fits, what is cut, and which pairs are set apart for validation."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from l2s.errors import UserError
from l2s.training.engine.contract import Material, Preference

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Row = dict[str, list[int]]


def tokenise(material: Material, tokenizer: PreTrainedTokenizerFast, max_tokens: int) -> tuple[list[Row], dict]:
    """Return the token ids of the pairs that fit, and how many answers will be cut and pairs are left out.

    Answers end as responses do. TRL cuts what is over the limit at its end; of a prompt that fills the limit no answer
    is left, so its pair is left out.
    """
    rows, counts = [], {"chosen_cut": 0, "rejected_cut": 0, "left_out": 0}
    for preference in material.preferences:
        row = _row(preference, tokenizer)
        room = max_tokens - len(row["prompt_ids"])
        if room <= 0:
            counts["left_out"] += 1
            continue
        rows.append(row)
        counts["chosen_cut"] += len(row["chosen_ids"]) > room
        counts["rejected_cut"] += len(row["rejected_ids"]) > room
    return rows, counts


def _row(preference: Preference, tokenizer: PreTrainedTokenizerFast) -> Row:
    def answer(text: str) -> list[int]:
        return [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]

    return {
        "prompt_ids": list(preference.prompt_ids),
        "chosen_ids": answer(preference.chosen),
        "rejected_ids": answer(preference.rejected),
    }


def set_apart(rows: list[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Split pairs at random into those for training and those for validation, one of each at least.

    Raises:
        UserError: There are fewer than two pairs.
    """
    if len(rows) < 2:
        raise UserError(
            f"{len(rows)} preference pairs fit, and training with validation needs two at least; raise 'max_tokens' of "
            "the recipe or 'count' of the calibration data"
        )
    shuffled = random.Random(f"validation {seed}").sample(rows, len(rows))
    count = min(max(round(share * len(rows)), 1), len(rows) - 1)
    return shuffled[count:], shuffled[:count]
