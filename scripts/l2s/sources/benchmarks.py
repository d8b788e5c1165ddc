"""Benchmarks: questions with gold answers, from the hub, the web or a local file, normalised to one schema.

A benchmark is one YAML under ``config/benchmarks/``. Its rows, from the hub through the datasets library or from a
JSONL or Parquet file, are renamed and cleaned as the entry says, and checked against its row count and sha256 (over the
normalised rows, so that the hub's Parquet and a local copy of the same questions agree).
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, field_validator, model_validator

from l2s.checkpoints.model_entry import COMMIT
from l2s.config import StrictModel, entry_option, suggestion
from l2s.contracts.parquet import read_table, table_of
from l2s.contracts.questions import QUESTIONS
from l2s.errors import UserError
from l2s.sources.extractors import EXTRACTORS
from l2s.sources.pinning import check_pinned
from l2s.sources.web_files import fetch_file

PROJECT = Path(__file__).resolve().parents[3]
FILE_KINDS = (".jsonl", ".parquet")
NEWEST = "main"
LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can hold one, and no file in UTF-8 can


class Source(StrictModel):
    """Where rows come from: a data set of the hub at a pinned revision, a pinned file of the web, or a local file."""

    repo: str | None = Field(None, description="data set of the hub, owner/name")
    revision: str | None = Field(
        None, description="the commit of that data set: 40 hex digits; main: the newest, which only a sha256 pins"
    )
    config: str | None = Field(None, description="configuration of the data set")
    split: str | None = Field(None, description="split of the data set, e.g. test")
    url: str | None = Field(None, pattern="^https?://", description="JSONL or Parquet file of the web")
    file_sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="sha256 of the file at 'url'")
    path: str | None = Field(None, description="local JSONL or Parquet file, absolute or relative to the project")

    @property
    def place(self) -> str:
        """Where rows come from, in one word for messages."""
        return self.repo or self.url or str(self.path)

    @model_validator(mode="after")
    def _one_source(self) -> "Source":
        if [self.repo, self.url, self.path].count(None) != 2 or (self.url is None) != (self.file_sha256 is None):
            raise ValueError("give either 'repo', 'revision' and 'split', or 'url' and 'file_sha256', or 'path'")
        pinned = self.revision == NEWEST or COMMIT.fullmatch(self.revision or "")
        if self.repo is not None and (not pinned or self.split is None):
            raise ValueError(f"'revision' must be a commit of {self.repo} (40 hex digits) and 'split' must be given")
        for key in ("url", "path"):
            name = getattr(self, key)
            if name is not None and Path(name).suffix not in FILE_KINDS:
                raise ValueError(f"'{key}' must end in {' or '.join(FILE_KINDS)}, found {name!r}")
        return self


class ColumnPart(StrictModel):
    """Which column a value is taken from, and optionally which part of it."""

    column: str = Field(description="name of the column")
    pattern: str | None = Field(None, description="regular expression whose first group is the value")
    extract: Literal[*EXTRACTORS] | None = Field(
        None, description="function of l2s/sources/extractors.py that takes the value out of the column's text"
    )

    @field_validator("pattern")
    @classmethod
    def _has_a_group(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                groups = re.compile(pattern).groups
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from None
            if groups != 1:
                raise ValueError("the pattern needs exactly one group")
        return pattern


class Appended(StrictModel):
    """Text that is put behind the questions of some rows."""

    when: str = Field(description="regular expression that the whole gold answer of such a row matches")
    text: str = Field(min_length=1, description="what is put behind the question, as it stands")

    @field_validator("when")
    @classmethod
    def _compiles(cls, when: str) -> str:
        try:
            re.compile(when)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return when


class BenchmarkEntry(StrictModel):
    """A benchmark: its source, its columns, and what pins its content."""

    source: Source = Field(description="where the rows come from")
    question: ColumnPart = Field(description="where a row has the question")
    gold: ColumnPart = Field(description="where a row has the gold answer")
    append: tuple[Appended, ...] = Field((), description="texts behind questions, by what their gold answers are")
    level: ColumnPart | None = Field(None, description="where a row has its level of difficulty, a whole number")
    id: ColumnPart | None = Field(None, description="identifier of a question; its row number if absent")
    examples: str | None = Field(
        None, description="set of few-shot examples that its questions are shown with, where the prompt shows any"
    )
    rows: int = Field(gt=0, description="number of rows that the source must have")
    sha256: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="sha256 of the normalised rows, with 'append' and before 'first' applied; a run warns if it is "
        "absent and says it",
    )
    first: int | None = Field(None, gt=0, description="take only so many questions, from the start")

    def read_from(self, folder: str, name: str) -> "BenchmarkEntry":
        """Return the entry with ``<folder>/<name>.jsonl`` in place of its source."""
        return self.model_copy(update={"source": Source(path=f"{folder}/{name}.jsonl")})


def load_questions(name: str, entry: BenchmarkEntry, entry_file: str) -> pa.Table:
    """Read, normalise and check a benchmark's questions.

    Args:
        name: Name of the entry.
        entry: The entry.
        entry_file: What errors call it.

    Returns:
        A table with the schema ``QUESTIONS``, in the order of the source.

    Raises:
        UserError: The source cannot be read, lacks a column, has a row without question or answer or with a duplicate
            id, or does not have the row count or sha256 of the entry.
    """
    where = f"{entry_file} ({entry.source.place})"
    raw = read_rows(entry.source, where)
    rows = [_normalise(name, entry, row, number, where) for number, row in enumerate(raw)]
    _check_unique(rows, where)
    if len(rows) != entry.rows:
        raise UserError(f"{where}: has {len(rows)} rows, the entry's 'rows' says {entry.rows}; is it the right file?")
    check_pinned(rows, entry.sha256, where)
    return table_of(rows[: entry.first], QUESTIONS)


def find_questions(given: str, asked_by: str) -> pa.Table:
    """Return a benchmark's questions, given by the name of its entry, a YAML file, or a Parquet file of questions.

    Args:
        given: What a user or a rule gave.
        asked_by: What errors call the option.
    """
    if Path(given).suffix == ".parquet":
        return read_table(Path(given), QUESTIONS)
    found = entry_option("benchmarks", BenchmarkEntry, asked_by)(given)
    return load_questions(found.name, found.entry, found.where)


def read_rows(source: Source, where: str) -> list[dict[str, Any]]:
    """Return the rows of a source as it has them; that they cannot be read is a UserError."""
    try:
        if source.repo:
            return _hub_rows(source)
        return _file_rows(fetch_file(source.url, source.file_sha256) if source.url else source.path, where)
    except UserError:
        raise
    except Exception as error:  # the libraries raise many kinds; each means that there are no rows
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        remedy = "check the source and the network, or name a folder of local files ('benchmark_files')"
        raise UserError(f"{where}: the rows could not be read ({reason}); {remedy}") from None


def _hub_rows(source: Source) -> list[dict[str, Any]]:
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    return list(load_dataset(source.repo, source.config, split=source.split, revision=source.revision))


def _file_rows(path: str | Path, where: str) -> list[dict[str, Any]]:
    """Read a local file. JSON is taken as it stands: a loader that guesses types would turn some answers into dates."""
    file = next((place for place in (Path(path), PROJECT / path) if place.is_file()), None)
    if file is None:
        raise UserError(f"{where}: no such file; put it there or correct 'path'")
    if file.suffix == ".parquet":
        return pq.read_table(file).to_pylist()
    rows = []
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").split("\n"), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UserError(f"{where}, line {number}: not valid JSON ({error}); correct it") from None
            if not isinstance(row, dict):
                raise UserError(f"{where}, line {number}: not a JSON object; each line must hold one question")
            rows.append(row)
    return rows


def _normalise(name: str, entry: BenchmarkEntry, row: Mapping[str, Any], number: int, where: str) -> dict[str, Any]:
    row_name = f"{where}, row {number + 1}"
    level = value_of(row, entry.level, row_name) if entry.level else None
    if level is not None and not level.isdecimal():
        raise UserError(f"{row_name}: level {level!r} is not a whole number; give its 'pattern' in the entry")
    gold = value_of(row, entry.gold, row_name)
    appended = "".join(part.text for part in entry.append if re.fullmatch(part.when, gold))
    return {
        "benchmark": name,
        "question_id": value_of(row, entry.id, row_name) if entry.id else str(number),
        "question": value_of(row, entry.question, row_name) + appended,
        "gold": gold,
        "level": int(level) if level is not None else None,
    }


def value_of(row: Mapping[str, Any], field: ColumnPart, row_name: str) -> str:
    """Return a row's value as stripped text (of a list: its only value); a missing or empty one is a UserError."""
    if field.column not in row:
        hint = suggestion(field.column, list(row), "the columns are")
        raise UserError(f"{row_name}: there is no column '{field.column}'{hint}")
    value = row[field.column]
    if isinstance(value, list):
        if len(value) != 1:
            raise UserError(f"{row_name}: column '{field.column}' holds {len(value)} values; it must hold one")
        value = value[0]
    text = "" if value is None else str(value).strip()
    if LONE_SURROGATE.search(text):
        raise UserError(
            f"{row_name}: column '{field.column}' holds half a character (a lone surrogate); correct the row"
        )
    if field.pattern:
        found = re.search(field.pattern, text)
        text = found.group(1).strip() if found else ""
    if field.extract:
        text = EXTRACTORS[field.extract](text)
    if not text:
        part = f" matching {field.pattern!r}" if field.pattern else ""
        part += f" for '{field.extract}'" if field.extract else ""
        raise UserError(f"{row_name}: column '{field.column}' holds nothing{part}; correct the row or the entry")
    return text


def _check_unique(rows: list[dict[str, Any]], where: str) -> None:
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        first = seen.setdefault(row["question_id"], number)
        if first != number:
            raise UserError(f"{where}: rows {first} and {number} have the same id {row['question_id']!r}")
