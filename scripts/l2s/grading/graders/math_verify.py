"""The math-verify grader: answers are parsed to sympy expressions and compared symbolically.

https://github.com/huggingface/Math-Verify. The answer is what the library extracts from the response: boxed expressions
if there are any, else the last LaTeX expression or number. It is not the grader that the paper used: on the same
generations the two differ by up to 7 points (Minerva Math, 1.5B slow model).

DEVIATES: a gold answer such as 4.5e33 (58 of Minerva Math's 272) also stands for 4.5 × 10^33; the library alone reads
the letter e in it as Euler's number and would call every right response wrong.
"""

import logging
import re
from functools import lru_cache

from math_verify import parse, verify
from math_verify.errors import TimeoutException

from l2s.contracts.grades import Outcome
from l2s.grading.grades import Verdict

SECONDS = 5
E_NOTATION = re.compile(r"([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)[eE]([+-]?\d+)")

# The library warns of every expression that it cannot parse; the outcome says so already.
logging.getLogger("math_verify").setLevel(logging.CRITICAL)


def grade(text: str, gold: str) -> Verdict:
    """Grade one response.

    Args:
        text: The response.
        gold: The right answer, as LaTeX or plain text.

    Returns:
        The outcome and the answer that was found; parsing and comparing may take 5 s each.
    """
    answer = None
    try:
        found = parse(text, parsing_timeout=SECONDS, raise_on_error=True)
        if not found:
            return Verdict(Outcome.NO_ANSWER, None)
        answer = str(found[-1])
        right = _equal(_parse_gold(gold), found)
    except (TimeoutException, TimeoutError):
        return Verdict(Outcome.TIMEOUT, answer)
    except Exception as error:  # sympy raises nearly anything on what models write
        print(f"grader error on gold {gold!r}: {type(error).__name__}: {error}")
        return Verdict(Outcome.ERROR, answer)
    return Verdict(Outcome.CORRECT if right else Outcome.WRONG, answer)


def _equal(gold: list, found: list) -> bool:
    """Compare every reading of the gold answer with every reading of the found one; one match is enough."""
    try:
        return verify(gold, found, timeout_seconds=SECONDS, raise_on_error=True)
    except (Exception, TimeoutException):
        # One pair of readings failed to compare; another may still match.
        if verify(gold, found, timeout_seconds=SECONDS):
            return True
        raise


@lru_cache(maxsize=4096)
def _parse_gold(gold: str) -> list:
    readings = [gold]
    if scientific := E_NOTATION.fullmatch(gold):
        readings.append(f"{scientific[1]} \\times 10^{{{scientific[2]}}}")
    parsed = [part for one in readings for part in parse(f"${one}$", parsing_timeout=SECONDS, raise_on_error=True)]
    if not parsed:
        raise ValueError("the gold answer cannot be parsed")
    return parsed
