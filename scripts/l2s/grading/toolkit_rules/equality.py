"""When the toolkit takes two normalised answers for equal: section 4 of the specification, in its order."""

import math
import re

from l2s.grading.toolkit_rules.symbolic import RELATIVE_TOLERANCE, matrix_rows, symbolically_equal

CHOICE = re.compile(r"\b[A-E]\b")
BRACKETED = re.compile(r"[(\[].+[)\]]")  # the closing one need not be the last character


def answers_equal(answer: str, gold: str) -> bool:
    """Return whether the toolkit calls an answer right; both as normalised. It may take for ever."""
    if answer.strip().lower() == gold.strip().lower():
        return True
    if re.fullmatch("[A-E]", gold) and CHOICE.findall(answer.upper())[-1:] == [gold]:
        return True
    numbers = as_number(answer), as_number(gold)
    if None not in numbers:
        return _numbers_equal(*numbers)
    # A matrix against none is compared with a garbled gold answer, which never is right.
    if not answer or ("pmatrix" in answer and "pmatrix" not in gold):
        return False
    return (
        _equal_without_brackets(answer, gold)
        or _lists_equal(answer, gold)
        or _matrices_equal(answer, gold)
        or _equations_equal(answer, gold)
        or symbolically_equal(answer, gold)
    )


def as_number(text: str) -> float | None:
    """Return the value of a plain number (1,234 or 1e5 or 12\\%), None for anything else."""
    text = text.replace(",", "")
    try:
        return float(text)
    except ValueError:
        if not text.endswith("%"):
            return None
    try:
        return float(text.removesuffix("%").removesuffix("\\")) / 100
    except ValueError:
        return None


def _numbers_equal(number: float, gold: float) -> bool:
    """Percentages count as their fractions and the other way round."""
    return any(math.isclose(number, one, rel_tol=RELATIVE_TOLERANCE) for one in (gold / 100, gold, gold * 100))


def _equal_without_brackets(answer: str, gold: str) -> bool:
    """Step 7: a list's brackets do not count, nor does any brace or parenthesis: x^{2}y is x^{2y}."""
    square = answer.startswith("[") and answer.endswith("]") and not gold.startswith("(")
    round_ = answer.startswith("(") and answer.endswith(")") and not gold.startswith("[")
    if square or round_:
        answer, gold = answer.strip("[]()"), gold.strip("[]()")
    return re.sub("[{}()]", "", answer).lower() == re.sub("[{}()]", "", gold).lower()


def _lists_equal(answer: str, gold: str) -> bool:
    """Step 8: element by element, whatever the kinds of brackets are; the first and last characters are dropped."""
    if not (BRACKETED.match(answer) and BRACKETED.match(gold)):
        return False
    return _all_equal(answer[1:-1].split(","), gold[1:-1].split(","))


def _matrices_equal(answer: str, gold: str) -> bool:
    """Step 9: cell by cell."""
    first, second = matrix_rows(answer), matrix_rows(gold)
    if first is None or second is None or len(first) != len(second):
        return False
    return all(_all_equal(*rows) for rows in zip(first, second, strict=True))


def _all_equal(answers: list[str], golds: list[str]) -> bool:
    same_length = len(answers) == len(golds)
    return same_length and all(answers_equal(*pair) for pair in zip(answers, golds, strict=True))


def _equations_equal(answer: str, gold: str) -> bool:
    """Step 10: the sides' difference, with either sign; or the right side of a definition of at most two letters."""
    sides, gold_sides = answer.split("="), gold.split("=")
    if len(sides) == len(gold_sides) == 2:
        difference, gold_difference = (f"{left.strip()}-({right.strip()})" for left, right in (sides, gold_sides))
        return symbolically_equal(difference, gold_difference) or symbolically_equal(
            f"-({difference})", gold_difference
        )
    if len(sides) == 2 and len(gold_sides) == 1 and len(sides[0].strip()) <= 2:
        return answers_equal(sides[1], gold)
    if len(gold_sides) == 2 and len(sides) == 1 and len(gold_sides[0].strip()) <= 2:
        return answers_equal(answer, gold_sides[1])
    return False
