"""Which questions the search may look at: every question is for selection or for the report, never for both."""

import hashlib

import pyarrow as pa
import pyarrow.compute as pc

from l2s.errors import UserError

REPORT = "report"
"""The last round: the finalists, on questions that nothing was selected on."""
_ALL = 1 << 256


def place_of(question: str, seed: int) -> float:
    """Return where a question stands, in [0, 1): by the sha256 of the seed and of its text without spaces around words.

    So the same question has the same place in every benchmark, and rows that are added move no other row.
    """
    text = " ".join(question.split())
    return int.from_bytes(hashlib.sha256(f"{seed}\n{text}".encode()).digest()) / _ALL


def part_of(questions: pa.Table, seed: int, report_share: float, round_name: str, count: int | None) -> pa.Table:
    """Return the questions of a round.

    Args:
        questions: A benchmark's, with the schema QUESTIONS.
        seed: Of the split.
        report_share: Share of the questions that only the report asks.
        round_name: The round; ``REPORT`` is the one that the result is reported on.
        count: How many questions a round of selection asks, the first by their places, so that a later round asks
            those of an earlier one and more; None: all of selection.

    Raises:
        UserError: No question falls into this part.
    """
    places = [place_of(text, seed) for text in questions["question"].to_pylist()]
    reported = [number for number, place in enumerate(places) if place < report_share]
    selected = sorted(set(range(len(places))) - set(reported), key=lambda number: (places[number], number))
    chosen = reported if round_name == REPORT else sorted(selected[:count])
    if not chosen:
        side = "report" if round_name == REPORT else "selection"
        raise UserError(
            f"none of the {len(places)} questions falls to the {side}; give more questions, or change 'report_share'"
        )
    return questions.take(pa.array(chosen)) if len(chosen) < len(places) else questions


def shared(one: pa.Table, other: pa.Table) -> list[str]:
    """Return the questions, by their texts, that are in both tables."""
    texts = [{" ".join(text.split()) for text in pc.unique(table["question"]).to_pylist()} for table in (one, other)]
    return sorted(texts[0] & texts[1])
