"""Repetition loops: a response that was cut while it wrote the same tokens over and over.

A loop has a period of 1 to 200 tokens, and the end of the response repeats it exactly: at least eight times, over at
least 256 tokens. Good answers repeat a check or a row of dashes: the most that 800 answers of Qwen2.5-Math had in them
was six times over, 149 characters. A loop that counts up or varies a word is not found.
"""

from collections.abc import Sequence

import numpy as np

LONGEST_PERIOD = 200
FEWEST_REPEATS = 8
FEWEST_TOKENS = 256


def loop_period(output_ids: Sequence[int]) -> int | None:
    """Return the period, in tokens, of the loop that a response ends in; the shortest one; None if there is none."""
    tail = np.asarray(output_ids[-LONGEST_PERIOD * FEWEST_REPEATS :])
    for period in range(1, min(LONGEST_PERIOD, len(tail) // FEWEST_REPEATS) + 1):
        length = max(period * FEWEST_REPEATS, FEWEST_TOKENS)
        end = tail[-length:]
        if len(end) == length and np.array_equal(end[period:], end[:-period]):
            return period
    return None
