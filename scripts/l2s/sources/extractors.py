"""Named ways to take an answer out of a column's text, for what a regular expression with one group cannot do."""

import re

BOX = "\\boxed{"
BRACE = re.compile(r"\\.|[{}]", re.DOTALL)  # what follows a backslash opens and closes nothing
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
    for token in BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if depth == 0:
            return latex(text[start : token.start()])
    return ""


EXTRACTORS = {"latex": latex, "last_boxed": last_boxed}
