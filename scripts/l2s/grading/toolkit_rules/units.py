"""The words that the toolkit takes for units and deletes, each with and without an ``s`` behind it.

A full stop stands for any character, so that ``a .`` also is the ``a +`` of ``a + b``.
"""

import re

TOKENS = (
    "cm 2|cu cm|m sqaure| m east|no change|pi sq m|profit of rs|sq inch|sq m|° f|π r 2|∏ cm ³|v â € ™|"
    "a .|b .|c .|d .|e .|f .|g .|h .|q .|s .|rs .|a . m|p . m|sq . m|cu . m|"
    "a|c|d|g|h|l|m|o|s|t|"
    "Surface|ab|acre|am|apple|are|bc|by|cc|cm|coin|cube|cubic|day|decrease|deg|degree|dm|east|excess|feet|ft|gain|gal|"
    "gallon|gm|hectare|hour|hr|inch|inches|increase|kg|km|kmh|kmph|lb|less|liter|litre|loss|lt|man|mark|men|meter|"
    "metre|mile|min|minute|minw|mm|monkey|month|more|mp|mph|mt|mtr|noon|number|ohm|per|percent|pie|pm|prime|profit|"
    "pure|ratio|rd|rise|rounds|rs|rupee|sec|second|soldier|sq|square|st|th|tile|toy|unit|way|west|woman|women|yard|"
    "year|yr"
)
# Long tokens go first: "sq m" before "m".
UNITS = [
    (token.strip(" .").split(" ")[0], re.compile(rf"(^|\W){token}($|\W)"))
    for token in sorted([*TOKENS.split("|"), *(f"{token}s" for token in TOKENS.split("|"))], key=len, reverse=True)
]


def without_units(text: str) -> str:
    """Return the text without the unit words that stand alone; a text that is only a unit stays.

    Twice over, because two units side by side share the character between them.
    """
    for _ in range(2):
        for first_word, pattern in UNITS:
            if first_word in text:
                text = pattern.sub(r"\1\2", text) or text
    return text
