"""The questions that somebody gives: the entry of a JSONL or Parquet file, its columns found by their usual names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from l2s.config import find_entry
from l2s.errors import UserError
from l2s.sources.benchmarks import FILE_KINDS, BenchmarkEntry, Source, load_questions, read_rows
from l2s.sources.pinning import rows_digest

QUESTION_COLUMNS = ("question", "problem", "prompt", "query", "instruction", "input")
ANSWER_COLUMNS = ("answer", "gold", "final_answer", "expected_answer", "ground_truth", "target", "label", "output")
AFTER_SOLUTION = r"####\s*(.+)"
"""Where a worked solution in GSM8K's form has its answer."""


def benchmark_entry(given: str, name: str, config: Path) -> tuple[str, dict[str, Any] | None]:
    """Return a benchmark's name, and its entry if a file of questions was given.

    Raises:
        UserError: There is neither such an entry nor such a file, or the file lacks a column.
    """
    path = Path(given)
    if path.suffix not in FILE_KINDS:
        find_entry(config / "benchmarks", given, f"--benchmark (no file that ends in {' or '.join(FILE_KINDS)})")
        return given, None
    where = f"--benchmark {given}"
    source = Source(path=str(path.resolve()))
    rows = read_rows(source, where)
    if not rows:
        raise UserError(f"{where}: holds no question")
    entry = {
        "source": {"path": source.path},
        "question": {"column": guessed(rows[0], QUESTION_COLUMNS, "question", where)},
        "gold": {"column": guessed(rows[0], ANSWER_COLUMNS, "answer", where)},
        "rows": len(rows),
    }
    if all("####" in str(row.get(entry["gold"]["column"])) for row in rows):
        entry["gold"]["pattern"] = AFTER_SOLUTION
    questions = load_questions(path.stem, BenchmarkEntry(**entry), where).to_pylist()
    return f"{name}-{path.stem}", {**entry, "sha256": rows_digest(questions)}


def guessed(row: dict[str, Any], usual: Iterable[str], what: str, where: str) -> str:
    """Return the column that holds questions or answers, by its usual names.

    Raises:
        UserError: None has such a name; names those that there are.
    """
    by_name = {column.lower(): column for column in row}
    for name in usual:
        if name in by_name:
            return by_name[name]
    raise UserError(
        f"{where}: no column is called like one of {what}s ({', '.join(usual)}); the columns are {', '.join(row)}; "
        "rename one, or write an entry of config/benchmarks that names it"
    )
