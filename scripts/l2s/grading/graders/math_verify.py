"""The math-verify grader: answers are parsed to sympy expressions and compared symbolically.

https://github.com/huggingface/Math-Verify. The answer is what the last box of a response holds, else the last LaTeX
expression or number that the library finds. It is not the grader that the paper used: on the same generations the two
differ by up to 10 points (Minerva Math, 7B merges).

DEVIATES from the library, which would call right responses wrong or wrong ones right:

- The last box counts; the library reads "first \\boxed{3}, no: \\boxed{5}" as the set {3, 5}. Boxes with nothing but
  "and", "or" or a comma between them still are one answer.
- 4.5e33 (58 of Minerva Math's gold answers are spelled so) is 4.5 × 10^33 and not a product with Euler's number.
- \\sqrt51 is the root of 51, and \\varnothing is \\emptyset.
- 10\\,000 and 10 000 are 10000.
- [2,5) is 2 \\le x < 5, whichever of the two is the gold answer, and (2,\\infty) is x > 2.
- Answers that are words are compared as words, and DNE is "does not exist".
- A sum of money outside a formula, \\$18, is a number.
- No text is ever run as Python, which the library does with plain arithmetic ("3*4+1"): it is read as LaTeX.
"""

import logging
import re
from functools import lru_cache

import math_verify.grader
import math_verify.parser
from latex2sympy2_extended import latex2sympy
from math_verify import LatexExtractionConfig, parse, verify

from l2s.grading.contract import Comparison, Found
from l2s.grading.math_verify_rules.finding import find_answer
from l2s.grading.math_verify_rules.spelling import repaired, words_of
from l2s.grading.numeric import simplify

DECISIONS = {"yes", "no", "true", "false"}
INTEGER = re.compile(r"-?[0-9]{1,1000}")

# The library warns of every expression that it cannot parse, and that it watches no time; the workers' limits do.
logging.getLogger("math_verify").setLevel(logging.CRITICAL)


def _parse_arithmetic(text: str, **_: object) -> object:
    return latex2sympy(text.replace("**", "^").replace("*", "\\cdot ").replace("×", "\\times ").replace("÷", "\\div "))


math_verify.parser.parse_expr = _parse_arithmetic
math_verify.grader.simplify = simplify  # of differences, which it compares with 0


def read_gold(gold: str, benchmark: str) -> str:
    """Return the right answer, LaTeX or plain text, in a spelling that the library reads as it is meant."""
    return repaired(gold)


def find(text: str, gold: str, benchmark: str) -> Found | None:
    """Return the answer that a response gives, in such a spelling; None if there is none."""
    found = find_answer(text, in_words=words_of(gold) is not None)
    return found and found._replace(answer=repaired(found.answer))


def compare(answer: str, gold: str) -> Comparison:
    """Return whether an answer is right.

    Raises:
        Exception: The library failed, and no reading of the answer is right.
    """
    words, gold_words = words_of(answer), words_of(gold)
    if answer == gold or (words is not None and words == gold_words):
        return Comparison(True, gold_words or gold)
    if gold_words in DECISIONS:  # not a product of letters: "on" is not "no"
        return Comparison(False, gold_words)
    if INTEGER.fullmatch(answer) and INTEGER.fullmatch(gold):  # as most are: no need to parse them
        return Comparison(int(answer) == int(gold), gold)
    readings, found = _parsed(gold), _parsed(answer)
    options = {"timeout_seconds": None, "allow_set_relation_comp": True}
    try:
        right = verify(readings, found, raise_on_error=True, **options)
    except Exception:
        # One pair of readings may fail to compare and another match, so that failures only count if none does.
        right = verify(readings, found, **options)
        if not right:
            raise
    return Comparison(right, str(readings[0]) if readings else gold)


@lru_cache(maxsize=512)
def _parsed(text: str) -> list:
    """Return an answer as a sympy object, if it can be read as one, and as a string."""
    return parse(f"${text}$", [LatexExtractionConfig()], parsing_timeout=None, raise_on_error=True)
