"""A checkpoint's responses as a script, which pages that compare responses load from disk.

A page that was opened from disk may load scripts but not fetch files. So a shard is a script of one call:

    addShard("<numbers>", ["<block>", "<block>", ...]);

Numbers and blocks are JSON, compressed with gzip and written in base64, which a browser opens with DecompressionStream.
The numbers of all responses are opened at once and hold everything that lists and filters need; the texts lie in blocks
of some MB, of which a page opens those that it shows or searches.
"""

import base64
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from l2s.analysis.key_points import key_points, stated_points
from l2s.contracts.responses import rows_read_at
from l2s.contracts.table import QUESTION
from l2s.errors import UserError
from l2s.files import write_text

COLUMNS = (*QUESTION, "output_tokens", "retokenized", "finish_reason")
BLOCK_CHARACTERS = 2_000_000

Key = tuple[str, str, int]
"""What tells one response of a checkpoint from another: benchmark, question, sample."""


def write_shard(responses: pa.Table, grades: Mapping[str, pa.Table], questions: Sequence[pa.Table], out: Path) -> None:
    """Write a shard with the responses as decoded, without those that were cut to be read differently.

    Args:
        responses: A table with the schema RESPONSES; token ids may be missing.
        grades: By grader, tables with the schema GRADES of the same responses.
        questions: Tables with the schema QUESTIONS of their questions.
        out: The file.

    Raises:
        UserError: A response has no grade.
    """
    responses = rows_read_at(responses)
    graded = {grader: _by_key(table) for grader, table in grades.items()}
    asked = {(row["benchmark"], row["question_id"]): row["question"] for t in questions for row in t.to_pylist()}
    keys = list(zip(*(responses[column].to_pylist() for column in QUESTION), strict=True))
    for grader, by_key in graded.items():
        if missing := [key for key in keys if key not in by_key]:
            raise UserError(f"{out}: {grader} has no grade of {missing[0]}; grade the responses again")
    blocks, first_rows = [], []
    for first, rows in _blocks(responses["text"]):
        first_rows.append(first)
        part = zip(keys[first : first + len(rows)], rows, strict=True)
        blocks.append(compressed([_opened(text, key, graded, asked) for key, text in part]))
    numbers = {column: responses[column].to_pylist() for column in COLUMNS}
    numbers["outcomes"] = {grader: [rows[key]["outcome"] for key in keys] for grader, rows in graded.items()}
    numbers["first_rows"] = first_rows
    lines = ",\n".join(f'"{block}"' for block in blocks)
    write_text(out, f'addShard("{compressed(numbers)}", [\n{lines}\n]);\n')


def compressed(value: Any) -> str:
    """Return the JSON of a value, compressed and in base64; the same value gives the same text."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _by_key(grades: pa.Table) -> dict[Key, dict[str, Any]]:
    columns = [*QUESTION, "outcome", "answer", "answer_start", "answer_end"]
    rows = rows_read_at(grades).select(columns).to_pylist()
    return {tuple(row[column] for column in QUESTION): row for row in rows}


def _blocks(texts: pa.ChunkedArray) -> Iterator[tuple[int, list[str]]]:
    """Yield the texts in parts of some MB, each with the row of its first text."""
    first, block, characters = 0, [], 0
    for row, scalar in enumerate(texts):
        text = scalar.as_py()
        if block and characters + len(text) > BLOCK_CHARACTERS:
            yield first, block
            first, block, characters = row, [], 0
        block.append(text)
        characters += len(text)
    if block:
        yield first, block


def _opened(text: str, key: Key, graded: Mapping[str, Mapping[Key, Any]], asked: Mapping[Any, str]) -> list[Any]:
    """Return a response as a block has it: text, each grader's answer and its place, key points, what it states."""
    answers = [
        [row["answer"], _place(text, row["answer_start"]), _place(text, row["answer_end"])]
        for row in (by_key[key] for by_key in graded.values())
    ]
    return [text, answers, key_points(text, asked.get(key[:2])), sorted(stated_points(text))]


def _place(text: str, place: int | None) -> int | None:
    """Return a place in a text as JavaScript counts, to which a character such as 𝑥 is two."""
    return place if place is None or text.isascii() else len(text[:place].encode("utf-16-le")) // 2
