"""Grades: the outcome of every response, and how they are made from responses and gold answers."""

import importlib
from collections import Counter
from typing import NamedTuple

import pyarrow as pa

from l2s.contracts.grades import GRADES, Outcome
from l2s.contracts.parquet import table_of
from l2s.errors import UserError
from l2s.modules import module_of
from l2s.progress import Progress


class Verdict(NamedTuple):
    """A grader's word on one response: the outcome, and the answer it found (None if none)."""

    outcome: Outcome
    answer: str | None


def grader_module(name: str, where: str) -> str:
    """Return the module of a grader.

    Raises:
        UserError: There is no such grader.
    """
    return module_of("l2s.grading.graders", name, where, "grader")


def grade_responses(responses: pa.Table, questions: list[pa.Table], grader: str) -> pa.Table:
    """Grade every response, at every context length that it is read at.

    Args:
        responses: Table of responses.
        questions: Tables of questions with gold answers, one per benchmark.
        grader: Name of the grader.

    Returns:
        A table with the schema GRADES, in the order of the responses.

    Raises:
        UserError: A response's question is in none of the tables.
    """
    grade = importlib.import_module(grader_module(grader, "grader")).grade
    gold = {(row["benchmark"], row["question_id"]): row["gold"] for table in questions for row in table.to_pylist()}
    progress = Progress("grade", len(responses), "responses")
    verdicts: dict[tuple[str, str, str], Verdict] = {}
    rows = []
    for response in responses.select(["benchmark", "question_id", "sample", "read_at", "text"]).to_pylist():
        question = response["benchmark"], response["question_id"]
        if question not in gold:
            raise UserError(f"response to question {question[1]!r} of '{question[0]}': there is no such question")
        text = response.pop("text")
        # Where a context length cuts nothing, the text is the same, and a timeout must not make a difference.
        if (*question, text) not in verdicts:
            verdicts[*question, text] = grade(text, gold[question])
        verdict = verdicts[*question, text]
        rows.append({**response, "gold": gold[question], "outcome": verdict.outcome.value, "answer": verdict.answer})
        progress.add(1)
    counts = Counter(row["outcome"] for row in rows)
    print(", ".join(f"{outcome.value} {counts[outcome.value]}" for outcome in Outcome))
    return table_of(rows, GRADES)
