"""Reflection: how often a response stops to doubt itself, counted by keywords as in the paper's section 6."""

import re

KEYWORDS = (
    r"wait",
    r"re-?examine",
    r"recap",
    r"double[- ]check",
    r"let me (?:just )?check",
    r"let me (?:just )?verify",
)
# Whole words: a waiter in a word problem is no reflection.
PATTERN = re.compile(rf"\b(?:{'|'.join(KEYWORDS)})\b", re.IGNORECASE)


def count_keywords(text: str) -> int:
    """Return how many reflection keywords a response holds; one with at least one is reflective."""
    return len(PATTERN.findall(text))
