"""Named ways to take an answer out of a column's text, for what a regular expression with one group cannot do."""

import re

BOX = "\\boxed{"
DOLLAR = re.compile(r"(?<!\\)\$")


def latex(text: str) -> str:
    """Return LaTeX as one line without the dollar signs around its formulas; ``\\$`` stays.

    Graders read a gold answer as one formula, which ends at a dollar sign or a line's end.
    """
    return " ".join(DOLLAR.sub("", text).split())


def last_boxed(text: str) -> str:
    """Return the content of the last ``\\boxed{…}``, which may hold braces of its own; empty if there is none."""
    start = text.rfind(BOX) + len(BOX)
    if start < len(BOX):
        return ""
    depth = 1
    for end in range(start, len(text)):
        if text[end] in "{}" and text[end - 1] != "\\":
            depth += 1 if text[end] == "{" else -1
        if depth == 0:
            return latex(text[start:end])
    return ""


EXTRACTORS = {"latex": latex, "last_boxed": last_boxed}
