"""Reflection: how often a response stops to doubt itself, counted by keywords as in the paper's section 6.

ASSUME(reflection): the paper counts keywords and has two lists of them, so that there are three definitions, of which
its tables show the first:

- ``released``: what the authors' script counts. Its keywords stand in a public copy of that script.
- ``footnote``: what the paper's footnote lists. Counted in the same way, as the paper does not say how.
- ``words``: the footnote's keywords as whole words, in every spelling. A waiter in a word problem is no reflection.

ASSUME(keywords_mean): the mean number of keywords is that of the reflective responses, not of all.
"""

import re
from typing import Literal

Reflection = Literal["released", "footnote", "words"]

RELEASED = ("wait", "re-examine", "recap", "double-check", "let me check", "let me just check", "let me just verify")
FOOTNOTE = (*RELEASED, "let me verify")
WORDS = ("wait", "re-?examine", "recap", "double[- ]check", "let me (?:just )?check", "let me (?:just )?verify")

# For lower case: re finds these words in it several times faster than in any case.
PATTERNS: dict[Reflection, re.Pattern[str]] = {
    "released": re.compile("|".join(map(re.escape, RELEASED))),
    "footnote": re.compile("|".join(map(re.escape, FOOTNOTE))),
    "words": re.compile(rf"\b(?:{'|'.join(WORDS)})\b"),
}
NOTES: dict[Reflection, str] = {
    "released": f"counted as the authors' script does, inside other words too: {', '.join(RELEASED)}",
    "footnote": f"those of the paper's footnote, inside other words too: {', '.join(FOOTNOTE)}",
    "words": "whole words: wait, re-examine, recap, double-check, let me (just) check, let me (just) verify",
}


def count_keywords(text: str, definition: Reflection = "words") -> int:
    """Return how many reflection keywords a response holds; one with at least one is reflective."""
    return len(PATTERNS[definition].findall(text.lower()))
