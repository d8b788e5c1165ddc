"""Grades: the outcome of every response, and how they are made from responses and gold answers."""

import os
from collections import Counter
from pathlib import Path

import pyarrow as pa

from l2s.contracts.grades import GRADES, Outcome
from l2s.contracts.parquet import table_of
from l2s.errors import UserError
from l2s.grading.contract import Case, Verdict
from l2s.grading.grade_cases import grade_cases
from l2s.grading.store import AnswerStore, VerdictStore
from l2s.modules import module_names, module_of

GRADERS = "l2s.grading.graders"


def grader_names() -> list[str]:
    """Return the names of all graders: every response is graded by each of them."""
    return module_names(GRADERS)


def grader_module(name: str, where: str) -> str:
    """Return the module of a grader.

    Raises:
        UserError: There is no such grader.
    """
    return module_of(GRADERS, name, where, "grader")


def grade_responses(
    responses: pa.Table,
    questions: list[pa.Table],
    grader: str,
    workers: int | None = None,
    store: Path | None = None,
    answers: Path | None = None,
) -> pa.Table:
    """Grade every response, at every context length and budget that it is read at.

    Args:
        responses: Table of responses.
        questions: Tables of questions with gold answers, one per benchmark.
        grader: Name of the grader.
        workers: Number of processes that grade; one per core if None.
        store: Folder in which verdicts on these responses are kept, so that only new ones are graded; None: nowhere.
        answers: Folder in which comparisons of answers are kept, for the responses of all checkpoints; None: nowhere.

    Returns:
        A table with the schema GRADES, in the order of the responses.

    Raises:
        UserError: A response's question is in none of the tables.
    """
    gold = {(row["benchmark"], row["question_id"]): row["gold"] for table in questions for row in table.to_pylist()}
    rows, cases = [], []
    for response in responses.select(["benchmark", "question_id", "sample", "read_at", "budget", "text"]).to_pylist():
        question = response["benchmark"], response["question_id"]
        if question not in gold:
            raise UserError(f"response to question {question[1]!r} of '{question[0]}': there is no such question")
        cases.append(Case(response.pop("text"), gold[question], question[0]))
        rows.append({**response, "gold": gold[question]})
    # Where a reading cuts nothing, the text is the same, and equal cases have one verdict.
    module = grader_module(grader, "grader")
    verdicts = _verdicts(cases, module, workers or len(os.sched_getaffinity(0)), store, answers)
    for row, verdict in zip(rows, verdicts, strict=True):
        answer, start, end = verdict.found or (None, None, None)
        row |= {"outcome": verdict.outcome.value, "answer": answer, "answer_start": start, "answer_end": end}
        row["gold_parsed"] = verdict.gold_parsed
        if verdict.fault:
            print(f"{verdict.outcome.value}: {row['benchmark']} {row['question_id']}: {verdict.fault}")
    counts = Counter(row["outcome"] for row in rows)
    print(", ".join(f"{outcome.value} {counts[outcome.value]}" for outcome in Outcome))
    return table_of(rows, GRADES)


def _verdicts(
    cases: list[Case], module: str, workers: int, folder: Path | None, answers: Path | None = None
) -> list[Verdict]:
    """Return a verdict on each response, those that are kept from the store."""
    store = VerdictStore(folder, module) if folder else None
    found = {case: store.get(case) if store else None for case in cases}
    new = [case for case, verdict in found.items() if verdict is None]
    if store and len(new) < len(found):
        print(f"{len(found) - len(new):,} of {len(found):,} different responses were graded before")
    known = AnswerStore(answers, module) if answers and new else None
    graded = list(zip(new, grade_cases(new, module, workers, answers=known), strict=True)) if new else []
    if store:
        store.add(graded)
    found.update(graded)
    return [found[case] for case in cases]
