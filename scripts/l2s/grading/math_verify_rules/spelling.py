"""Spellings that the library misreads, put into ones that it reads, and answers that are words."""

import re

E_NOTATION = re.compile(r"(?<![\w.])(\d+(?:\.\d*)?|\.\d+)[eE]([+-]?\d+)(?![\w])")
BARE_ROOT = re.compile(r"\\sqrt\s*(\d{2,})")
# Thousands set apart by a space of LaTeX's, in a whole answer also by any other: 10\,000 and 10 000.
THOUSANDS = re.compile(r"(?<![\w.,^])\d{1,3}(?:(?:\\[,;: ]|~)\d{3})+(?!\d)|^-?\d{1,3}(?: \d{3})+$")
NO_DIGIT = re.compile(r"[^\d-]")
DOLLAR = re.compile(r"\\?\$")
TEXT = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox|operatorname)\s*\{([^{}]*)\}")
WORDS = re.compile(r"[^\W\d_]+(?:[ '-]+[^\W\d_]+)*")


def repaired(text: str) -> str:
    """Return an answer as one line of LaTeX that the library reads as it is meant."""
    text = " ".join(DOLLAR.sub("", text).replace("\\displaystyle", "").split())
    text = THOUSANDS.sub(lambda number: NO_DIGIT.sub("", number[0]), text)
    text = BARE_ROOT.sub(r"\\sqrt{\1}", text).replace("\\varnothing", "\\emptyset")
    return E_NOTATION.sub(r"\1 \\times 10^{\2}", text)


def words_of(text: str) -> str | None:
    """Return an answer that is words, e.g. ``\\text{East}.``, in lower case and without LaTeX; None if it is not."""
    text = TEXT.sub(r"\1", DOLLAR.sub("", text)).replace("\\ ", " ").replace("~", " ")
    text = " ".join(text.split()).strip(" .!()").lower()
    if not WORDS.fullmatch(text):
        return None
    return "dne" if text.replace(" ", "").endswith("doesnotexist") else text
