"""Where the answer of a response stands: in its last box, else where the library's patterns find one."""

import re
from itertools import groupby

from math_verify import ExprExtractionConfig, LatexExtractionConfig
from math_verify.parser import extract_match, get_extraction_regexes

from l2s.grading.contract import Found

BOX = re.compile(r"\\f?box(?:ed)?\s*\{")
BRACE = re.compile(r"\\.|[{}]", re.DOTALL)  # what follows a backslash opens and closes nothing
# What may stand between boxes that give one answer together: "\boxed{2} and \boxed{3}", "x=\boxed{2},\ y=\boxed{3}".
NAME = r"[A-Za-z]\w?\s*=|\\text\s*\{\s*(?:and|or)\s*\}"
BETWEEN_BOXES = re.compile(rf"(?:[\s$,;&]|\\[()\[\],; ]|\\q?quad|\b(?:and|or)\b|{NAME})*")
SEPARATOR = re.compile(r"[,;]|\b(?:and|or)\b")
THINKING_END = "</think>"
PHRASE = re.compile(r"answer(?:\s+is)?\s*:?[\s*$]*([^.,;:!\n$*]{1,60})", re.IGNORECASE)
NUMBER = re.compile(r"(?<![A-Za-z0-9_{])-?\d[\d,]*(?:\.\d+)?")
NO_BOXES = LatexExtractionConfig(boxed_match_priority=-1)


def find_answer(text: str, in_words: bool) -> Found | None:
    """Return the answer of a response, as LaTeX, and its place; None if there is none.

    The last box counts wherever it stands; boxes that only "and" or a comma separates are one answer. Without a box,
    what follows the thinking is searched before the whole text. A box that is cut off or empty is none. The library
    takes a number only where white space stands before it; where it finds nothing, as in Chinese, any number is one.

    Args:
        text: The response.
        in_words: The right answer is words, so that the words behind "the answer is" are one.
    """
    if boxed := _boxed(text):
        return boxed
    answer_start = text.rfind(THINKING_END) + len(THINKING_END) if THINKING_END in text else 0
    starts = dict.fromkeys((answer_start, 0))
    return next(filter(None, (_unboxed(text, start, in_words) for start in starts)), None)


def _boxed(text: str) -> Found | None:
    boxes: list[tuple[int, int, int]] = []
    closing = _closing_braces(text)
    for box in reversed(list(BOX.finditer(text))):
        end = closing.get(box.end())
        if end is None or not text[box.end() : end].strip():
            continue
        between = text[end + 1 : boxes[0][0]] if boxes else ""
        if boxes and not (BETWEEN_BOXES.fullmatch(between) and SEPARATOR.search(between)):
            break
        boxes.insert(0, (box.start(), box.end(), end))
    if not boxes:
        return None
    contents = dict.fromkeys(text[start:end].strip() for _, start, end in boxes)
    return Found(",".join(contents), boxes[0][1], boxes[-1][2])


def _closing_braces(text: str) -> dict[int, int]:
    """Return for the place behind each opening brace the place of the brace that closes it, where one does."""
    closing, opened = {}, []
    for token in BRACE.finditer(text):
        if token[0] == "{":
            opened.append(token.end())
        elif token[0] == "}" and opened:
            closing[opened.pop()] = token.start()
    return closing


def _unboxed(text: str, start: int, in_words: bool) -> Found | None:
    if in_words and (phrases := list(PHRASE.finditer(text, start))):
        return Found(phrases[-1][1].strip(), *phrases[-1].span(1))
    # "\$18" is a sum of money, not the start of a formula. What replaces it has its length: places stay.
    text = text.replace("\\$", "  ")
    unread = None
    for match, config in _candidates(text, start):
        value, answer = extract_match(match, config)
        spans = [match.span(name) for name, part in match.groupdict().items() if part]
        percent = any(part for name, part in match.groupdict().items() if name.endswith("percent"))
        found = Found(f"{answer}\\%" if percent else answer, min(spans)[0], max(end for _, end in spans))
        if value is not None:
            return found
        unread = unread or (found if answer else None)
    if unread is None and (numbers := list(NUMBER.finditer(text, start))):
        return Found(numbers[-1][0], *numbers[-1].span())
    return unread


def _candidates(text: str, start: int) -> list:
    """Return the library's matches in its order: the surest kind of pattern first, in each the last match first."""
    patterns = get_extraction_regexes((NO_BOXES, ExprExtractionConfig()))
    ranked = sorted(
        ((rank, pattern, config) for several, config in patterns for pattern, rank in several), key=lambda item: item[0]
    )
    for _, group in groupby(ranked, key=lambda item: item[0]):
        matches = [(match, config) for _, pattern, config in group for match in pattern.finditer(text, start)]
        yield from sorted(matches, key=lambda item: (item[0].end(), -item[0].start()), reverse=True)
