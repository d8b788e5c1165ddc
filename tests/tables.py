"""Tables of responses and grades that tests make up."""

from l2s.contracts.comparisons import COMPARISONS
from l2s.contracts.grades import GRADES
from l2s.contracts.parquet import table_of
from l2s.contracts.responses import RESPONSES

NONE = COMPARISONS.empty_table()
"""Comparisons of a table that is not about them."""


def tables(outcomes, lengths, text="so", finish="stop", benchmark="b", read_at=None, budget=None):
    responses, grades = [], []
    for number, (outcome, length) in enumerate(zip(outcomes, lengths, strict=True)):
        key = {"benchmark": benchmark, "question_id": str(number), "sample": 0, "read_at": read_at, "budget": budget}
        filler = {"prompt_sha256": "0" * 64, "prompt_tokens": 1, "output_ids": [1] * length, "output_tokens": length}
        filler |= {"retokenized": length + 1, "thinking_closed": None, "repetition": None, "imported_score": None}
        responses.append({**key, **filler, "text": text, "finish_reason": finish})
        found = {"answer": "1", "answer_start": 0, "answer_end": 1, "gold_parsed": "1"}
        grades.append({**key, "outcome": outcome, "gold": "1", **found})
    return responses, grades


def read(*parts, grader="math_verify"):
    responses = [row for part in parts for row in part[0]]
    grades = [row for part in parts for row in part[1]]
    return table_of(responses, RESPONSES), {grader: table_of(grades, GRADES)}
