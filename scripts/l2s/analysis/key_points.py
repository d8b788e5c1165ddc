r"""Key points: which intermediate results of a response another response to the same question keeps.

A response is judged by what it answers with: the text behind its last </think>, all of it where there is none. Two
kinds of things count as a result there:

- a number on the right of =, ≈ or a word such as "is" or "gives": ``12 \times 5 = 60``, "the total is \$1,260.00";
- an expression with a variable, a root or π on the right of =: ``y = 2x + 3``, ``h = 10\sqrt{2}``.

Arithmetic that is only written out (the ``5 + 3`` of ``x = 5 + 3 = 8``) is none: its value follows. Neither are the
question's own numbers, which nobody derived, and the final answer in the last \boxed, which all right responses share.
Each different result counts once.

Normalised, numbers lose thousands separators, units, a percent sign and trailing zeros, and fractions are reduced:
``\frac{6}{4}``, 3/2 and 1.50 are one number. Expressions lose spaces and what is only typesetting.

A result is kept if the other response has the same expression on the right of =, or the same number anywhere: short
responses say in words what long ones write as equations. Exponents, indices and the numbers of list items do not count.

Limits. Small numbers are kept by chance: docs/lengths.md says how often. A rearranged expression, a number rounded
otherwise, one in words (``three``) and a percentage written as a share count as lost. A result that the slow response
took back within its answer counts as one, and whether a step follows from the one before is not looked at. So the
share says whether intermediate results are still there, not whether an explanation is good.
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

_THINKING_END = "</think>"
_DIGITS = r"[\d,]*(?:\.\d+)?(?:/\d+(?:\.\d+)?)?"
_NUMBER = rf"-?\d{_DIGITS}"

# Typesetting is taken away in one pass, as responses are long: (pattern, what stands there instead). Each pattern
# begins with a character that is no choice, which re needs to skip fast to where one may begin.
_REPLACED = (
    (r"\\[dt]?frac\s*\{(?P<over>-?[\d.,]+)\}\s*\{(?P<under>[\d.,]+)\}", None),
    (r"\\[dt]?frac\s*(?P<one>\d)\s*(?P<other>\d)", None),
    (r"\\(?:text|mathrm|textbf|mathbf|operatorname)\s*\{[^{}]*\}", " "),
    (r"\\(?:left|right|displaystyle|quad|qquad|boxed|[,;:! $%])", ""),
    (r"\^\s*\{?\s*\\circ\s*\}?", ""),
    (r"\{,\}(?=\d{3})", ""),
    *((pattern, "") for pattern in (r"\*\*", r"\$", "&", r"\{", r"\}")),
    *((pattern, "*") for pattern in (r"\\(?:times|cdot)\b", "×", "·")),
    *((pattern, "=") for pattern in (r"\\approx\b", "≈")),
    *((pattern, "-") for pattern in ("−", "–")),
    *((pattern, "\n") for pattern in (r"\\[()\[\]]", r"\\\\")),
)
_TYPESETTING = re.compile("|".join(f"{pattern}(?P<p{i}>)" for i, (pattern, _) in enumerate(_REPLACED)))
_LIST_ITEM = re.compile(r"^[\s#*-]*(?:Step\s+)?\d+[.):]\s", re.MULTILINE | re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\s*\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}")
# A digit, or a minus and a digit, unless what stands before makes it a part of something else. That is looked at
# afterwards, for the same reason.
_STATED = re.compile(rf"[\d-](?:(?<=\d)(?<![\w.^\\]\d)|(?<=-)(?<![\w.^)/\\-]-)\d){_DIGITS}")
_SAYS = r"(?:=|\b(?:is|are|equals|gives|makes|get|leaves|costs?|totals?)\b)"
# No part of a longer number, and no first part of an expression (5 + 3, 5y).
_WHOLE = r"(?![\w.,]*\d|\s*[-+*/^(\\]|[a-z]\b)"
_RESULT = re.compile(rf"{_SAYS}\s*(?P<number>{_NUMBER}){_WHOLE}")
_EXPRESSION = re.compile(r"=([^=\n,;:]{1,80})")
# Letters beside letters are words, which no expression holds; a command such as \sqrt is one letter here.
_WORD = re.compile(r"(?<!\\)\b[A-Za-z]{3,}|[^\x00-\x7f]")
_SYMBOL = re.compile(r"(?<![\\A-Za-z])[A-Za-z](?![a-z]{2})|\\(?:sqrt|pi)\b|\\sqrt\d")
_OPERATOR = re.compile(r"[\d+\-*/^\\]")
_END = re.compile(r"\.(?=\s|$)|\s(?=[a-z]{2})")


def key_points(text: str, question: str | None = None) -> tuple[str, ...]:
    """Return the intermediate results of a response, normalised, in order, each once.

    Args:
        text: The response.
        question: Its question, whose numbers are no results; None: all count.
    """
    answer = text.rpartition(_THINKING_END)[2]
    given = _numbers(_plain(question)) if question else set()
    boxed = _BOXED.findall(answer)
    final = _numbers(_plain(boxed[-1])) | set(_expressions("=" + _plain(boxed[-1]))) if boxed else set()
    plain = _plain(answer)
    results = {match.start(): _number(match["number"]) for match in _RESULT.finditer(plain)}
    found = [*results.values(), *_expressions(plain)]
    return tuple(point for point in dict.fromkeys(found) if point not in given | final)


def kept_share(slow_text: str, merged_text: str, question: str | None = None) -> float | None:
    """Return the share, in [0, 1], of the slow response's key points that the merged one keeps.

    Args:
        slow_text: The slow model's response, which should be right.
        merged_text: The merged model's response to the same question, which should be right.
        question: The question, whose numbers are no results; None: all count.

    Returns:
        None if the slow response has no key points.
    """
    points = key_points(slow_text, question)
    return share_kept(points, merged_text) if points else None


def share_kept(points: Sequence[str], merged_text: str) -> float:
    """Return the share, in [0, 1], of key points, at least one, that a response keeps."""
    stated = stated_points(merged_text)
    return sum(point in stated for point in points) / len(points)


def stated_points(text: str) -> set[str]:
    """Return all numbers and expressions of a response's answer, normalised: a key point among them is kept."""
    plain = _plain(text.rpartition(_THINKING_END)[2])
    return _numbers(plain) | set(_expressions(plain))


def _plain(text: str) -> str:
    """Return a text without typesetting and numbers of list items."""
    return _TYPESETTING.sub(_replace, _LIST_ITEM.sub("\n", text))


def _replace(match: re.Match[str]) -> str:
    if match["over"]:
        return f" {match['over']}/{match['under']} "
    if match["one"]:
        return f" {match['one']}/{match['other']} "
    return _REPLACED[int(match.lastgroup[1:])][1]


def _numbers(plain: str) -> set[str]:
    return set(map(_number, set(_STATED.findall(plain))))


def _expressions(plain: str) -> list[str]:
    found = []
    for written in _EXPRESSION.findall(plain):
        if not _SYMBOL.search(written):  # most are plain numbers
            continue
        expression = _END.split(written.strip(), maxsplit=1)[0].strip(" .")
        if _SYMBOL.search(expression) and not _WORD.search(expression) and _OPERATOR.search(expression):
            found.append("".join(expression.split()).replace("*", ""))
    return found


@lru_cache(maxsize=100_000)
def _number(written: str) -> str:
    """Return a number as text that is the same for the same value."""
    digits = written.replace(",", "")
    if len(digits) > 40:
        return digits
    over, _, under = digits.partition("/")
    return str(Fraction(over) / (Fraction(under or 1) or 1))
