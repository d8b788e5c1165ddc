"""How the toolkit normalises an answer, found or gold: section 3 of the specification, step by step and in its order.

Each step's number is the specification's. The steps work on characters, not on LaTeX, and some do harm; that is what
makes the toolkit's verdicts what they are.
"""

import re

from word2number import w2n

from l2s.grading.toolkit_rules.units import without_units

# Steps 2 to 4. Plain strings: \leftarrow becomes \arrow.
SPELLINGS = [
    (re.compile(r"\\begin\{array\}\{.*?\}"), r"\\begin{pmatrix}"),
    (re.compile(r"\\end\{array\}"), r"\\end{pmatrix}"),
    (re.compile("bmatrix"), "pmatrix"),
    (re.compile("[td]frac"), "frac"),
    (re.compile(r"\\([nlg]e)q"), r"\\\1"),
    (re.compile(r"\\left|\\right"), ""),
    (re.compile(r"\\([{}])"), r"\1"),
]
CLOSING_TEXT = re.compile(r"\\text\{.*\}$")
SIGNS = ("^{\\circ}", "^\\circ", "\\$", "$", "\\(", "\\)")
TEXT = re.compile(r"\\text\{(.*?)\}")
DEFINITIONS = [f"{letter}{sign}" for sign in ("=", "\\in", "\\to") for letter in "xyz"]
BOX = re.compile(r"\\mbox\{.*?\}")
WHOLE_DECIMAL = re.compile(r"(\d)\.0*(?=\D|$)")
BARE_ROOT = re.compile(r"\\sqrt(\w+)")


def normalised(text: str, keep_units: bool) -> str:
    """Return the text as the toolkit compares it.

    Args:
        text: An answer, found or gold.
        keep_units: Do not delete unit words (step 6).
    """
    text = text.strip().replace("\n", "").rstrip(".").replace("\\!", "")
    for pattern, replacement in SPELLINGS:
        text = pattern.sub(replacement, text)
    text = CLOSING_TEXT.sub("", text).strip() or text
    if not keep_units:
        text = without_units(text)
    text = _without_words(text)
    text = _with_numbers_repaired(text)
    if not text:
        return text
    if text[0] == ".":
        text = f"0{text}"
    sides = text.split("=")
    if len(sides) == 2 and len(sides[0]) <= 2:
        text = sides[1]
    text = BARE_ROOT.sub(r"\\sqrt{\1}", text).replace(" ", "")
    return _with_slash_as_fraction(_with_braced_fractions(text))


def _without_words(text: str) -> str:
    """Steps 7 to 14 without 12: signs, number words, ``\\text`` groups, ``x=``, percent signs, ``and``."""
    for sign in SIGNS:
        text = text.replace(sign, "")
    text = _with_number_words_as_digits(text)
    text = TEXT.sub(r"\1", text)
    for definition in DEFINITIONS:
        text = text.replace(definition, "")
    text = text.replace("\\emptyset", "{}").replace("(-\\infty,\\infty)", "\\mathbb{R}")
    text = text.replace("\\%", "").replace("%", "")
    text = text.replace(" .", " 0.").replace("{.", "{0.")
    text = text.replace("infinity", "\\infty")
    if "\\infty" not in text:
        text = text.replace("inf", "\\infty")
    return BOX.sub("", text.replace("and", "").replace("\\mathbf", ""))


def _with_number_words_as_digits(text: str) -> str:
    """Step 8; one number word is enough for the whole text to become that number."""
    try:
        return str(w2n.word_to_num(text))
    except (ValueError, IndexError, TypeError):
        return text


def _with_numbers_repaired(text: str) -> str:
    """Steps 15 and 16: j as the imaginary unit, ``3.00`` as ``3``."""
    if "j" in text and "i" not in text:
        text = text.replace("j", "i")
    return WHOLE_DECIMAL.sub(r"\1", text)


def _with_braced_fractions(text: str) -> str:
    """Step 21: ``\\frac12`` becomes ``\\frac{1}{2}``; a fraction that is cut off leaves the text as it is."""
    first, *rest = text.split("\\frac")
    parts = [first]
    for part in rest:
        if part.startswith("{"):
            parts.append(part)
        elif len(part) < 2:
            return text
        elif part[1] == "{":
            parts.append(f"{{{part[0]}}}{part[1:]}")
        else:
            parts.append(f"{{{part[0]}}}{{{part[1]}}}{part[2:]}")
    return "\\frac".join(parts)


def _with_slash_as_fraction(text: str) -> str:
    """Step 22: ``3/4`` becomes ``\\frac{3}{4}`` if both sides are plain integers or hold a root."""
    sides = text.split("/")
    if len(sides) != 2 or not all("sqrt" in side or _is_plain_integer(side) for side in sides):
        return text
    return f"\\frac{{{sides[0]}}}{{{sides[1]}}}"


def _is_plain_integer(text: str) -> bool:
    return re.fullmatch(r"0|-?[1-9][0-9]*", text) is not None
