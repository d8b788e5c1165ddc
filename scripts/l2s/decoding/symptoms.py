"""What a response shows of going wrong: thinking that is never closed, and loops.

Reasoning models write their thinking between <think> and </think>. The markers are looked for in the text that the
checkpoint's tokenizer spells. A merge that has the quick model's tokenizer may emit the slow model's marker tokens,
which then spell something else (`<|box_start|>` with Qwen2.5's) and are not seen.

A loop is a response that was cut while it wrote the same tokens over and over. It has a period of 1 to 200 tokens, and
the end of the response repeats it exactly: at least eight times, over at least 256 tokens. Good answers repeat a check
or a row of dashes: the most that 800 answers of Qwen2.5-Math had in them was six times over, 149 characters. A loop
that counts up or varies a word is not found.
"""

from collections.abc import Sequence

import numpy as np

OPENING, CLOSING = "<think>", "</think>"
LONGEST_PERIOD = 200
FEWEST_REPEATS = 8
FEWEST_TOKENS = 256


def thinking_closed(prompt: str, response: str) -> bool | None:
    """Say whether a response's thinking was closed.

    Args:
        prompt: The prompt's text, which may open the thinking itself.
        response: The response's text, special tokens included: some tokenizers have the markers as such.

    Returns:
        None if neither prompt nor response opened any, else whether the last that was opened was closed.
    """
    opened_by_prompt = prompt.rfind(OPENING) > prompt.rfind(CLOSING)
    if not opened_by_prompt and OPENING not in response:
        return None
    return response.rfind(CLOSING) > response.rfind(OPENING)


def loop_period(output_ids: Sequence[int]) -> int | None:
    """Return the period, in tokens, of the loop that a response ends in; the shortest one; None if there is none."""
    tail = np.asarray(output_ids[-LONGEST_PERIOD * FEWEST_REPEATS :])
    for period in range(1, min(LONGEST_PERIOD, len(tail) // FEWEST_REPEATS) + 1):
        length = max(period * FEWEST_REPEATS, FEWEST_TOKENS)
        end = tail[-length:]
        if len(end) == length and np.array_equal(end[period:], end[:-period]):
            return period
    return None
