"""Where the toolkit finds an answer in a response: sections 0 and 1 of the specification."""

import re

from l2s.grading.contract import Found
from l2s.grading.toolkit_rules.normalisation import normalised

STOP_WORDS = re.compile(r"</s>|<\|im_end\|>|<\|endoftext\|>")
KEEPS_UNITS = {"minerva_math"}
LOSES_DOLLARS = {"college_math"}  # a gold answer of "\\$ 5" becomes "\\ 5", which nothing equals
# How often a gold answer is normalised; every other benchmark: twice.
TIMES_NORMALISED = {"math500": 3, "minerva_math": 1}
NUMBER = re.compile(r"-?\d*\.?\d+")
CHOICES = set("ABCDE")
CHOICE = re.compile(r"\b[A-E]\b")
CHOICE_PHRASE = re.compile(r"answer is|choice is", re.IGNORECASE)


def find_answer(text: str, gold: str, benchmark: str) -> Found | None:
    """Return the answer that the toolkit finds, normalised; None only if the response is empty or the word "error".

    Args:
        text: The response.
        gold: The gold answer as the toolkit reads it; a choice from A to E changes what counts as an answer.
        benchmark: Name of the benchmark.
    """
    stop = STOP_WORDS.search(text)
    response = text[: stop.start()] if stop else text
    if response.strip() in ("", "error"):
        return None
    response, places = _without(response, "ки")
    marked = _marked_span(response)
    start, end = marked or _last_number_span(response)
    answer = response[start:end] if marked else response[start:end].replace(",", "")
    keep_units = benchmark in KEEPS_UNITS
    answer = re.sub(r"\n\s*", "", answer).removeprefix(":").removesuffix(".").removesuffix("/")
    answer = normalised(normalised(answer, keep_units), keep_units)
    return Found(_as_choice(answer, gold, response), places[start], places[end])


def read_gold_answer(gold: str, benchmark: str) -> str:
    """Return a gold answer as the toolkit compares it."""
    if benchmark in LOSES_DOLLARS:
        gold = gold.replace("$", "")
    for _ in range(TIMES_NORMALISED.get(benchmark, 2)):
        gold = normalised(gold, benchmark in KEEPS_UNITS)
    return gold


def _without(text: str, part: str) -> tuple[str, list[int] | range]:
    """Return the text without a part wherever it occurs, and the old place of each place in the new text."""
    if part not in text:
        return text, range(len(text) + 1)
    gone = {place for found in re.finditer(part, text) for place in range(found.start(), found.end())}
    kept = [place for place in range(len(text)) if place not in gone]
    return "".join(text[place] for place in kept), [*kept, len(text)]


def _marked_span(text: str) -> tuple[int, int] | None:
    """Return the place of the answer that a box or a phrase marks, [start, end); None if nothing does."""
    hope = text.find("final answer is $")
    if hope >= 0 and "$. I hope" in text:
        start = hope + len("final answer is $")
        return _trimmed(text, start, _found(text, "$. I hope", start))
    if (box := text.rfind("boxed")) >= 0:
        return _boxed_span(text, box + len("boxed"))
    for phrase in ("he answer is", "final answer is"):
        if (place := text.rfind(phrase)) >= 0:
            return _trimmed(text, place + len(phrase), len(text))
    if (place := text.find("答案是")) >= 0:
        start = place + len("答案是")
        return _trimmed(text, start, _found(text, "\n\n", start))
    return None


def _found(text: str, part: str, start: int) -> int:
    """Return the first place of a part at or behind ``start``; the text's end if there is none."""
    place = text.find(part, start)
    return place if place >= 0 else len(text)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the span without the white space at its ends."""
    part = text[start:end]
    if not part.strip():
        return start, start
    return start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())


def _boxed_span(text: str, start: int) -> tuple[int, int]:
    """Return what a box holds: its braces' content, or what stands up to the next dollar sign."""
    if not text.startswith("{", start):
        return _trimmed(text, start, _found(text, "$", start))
    depth = 0
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return start + 1, position
    return start + 1, len(text)


def _last_number_span(text: str) -> tuple[int, int]:
    """Return the place of the last number of the text, in which commas do not count; an empty one if there is none."""
    end = next((place for place in range(len(text), 0, -1) if text[place - 1].isdecimal()), None)
    if end is None:
        return len(text), len(text)
    start = end
    while start > 0 and (text[start - 1] in "-.," or text[start - 1].isdecimal()):
        start -= 1
    digits, places = _without(text[start:end], ",")
    *_, number = NUMBER.finditer(digits)
    return start + places[number.start()], end


def _as_choice(answer: str, gold: str, response: str) -> str:
    """Read the answer as a choice from A to E if the gold answer is one, or several (or empty)."""
    if CHOICE.fullmatch(gold) and not CHOICE.fullmatch(answer):
        *_, phrase = [None, *CHOICE_PHRASE.finditer(response)]
        after = CHOICE.findall(response, phrase.end())[:1] if phrase else []
        return (after or CHOICE.findall(response) or [answer])[-1]
    if set(gold) <= CHOICES and not set(answer) <= CHOICES:
        return "".join(letter for letter in answer if letter in CHOICES)
    return answer
