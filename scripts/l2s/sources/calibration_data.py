"""Calibration data: questions with a quick and a slow answer, from the hub or a local file, normalised to one schema.

A set is one YAML under ``config/calibration_data/``. Calibration runs models over it, DPO trains on it. Which column is
which answer is the entry's business; the columns may come from two sources, joined by one that both have.
"""

import random
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import Field, model_validator

from l2s.config import StrictModel, entry_option
from l2s.contracts.calibration_data import CALIBRATION_DATA, Answer
from l2s.contracts.parquet import read_table, table_of
from l2s.errors import UserError
from l2s.sources.benchmarks import ColumnPart, Source, read_rows, value_of
from l2s.sources.pinning import check_pinned

QUESTION, ANSWER = "{question}", "{answer}"
PLACE = re.compile(r"\{([^{}]+)\}")

Row = Mapping[str, Any]


class AnswerPart(ColumnPart):
    """Where a row has an answer: in a column, or in several, of which one text is composed."""

    column: str | None = Field(None, description="name of the column; of a list of texts the first is taken")
    text: str | None = Field(
        None, description="instead: a text with columns in braces, which go in as they stand: <think>{steps}</think>"
    )

    @model_validator(mode="after")
    def _column_or_text(self) -> "AnswerPart":
        if (self.column is None) == (self.text is None):
            raise ValueError("give either 'column' or 'text'")
        if self.text is not None and (self.pattern or self.extract):
            raise ValueError("'pattern' and 'extract' go with 'column', not with 'text'")
        if self.text is not None and not PLACE.search(self.text):
            raise ValueError("'text' must name a column in braces, e.g. <think>{steps}</think>")
        return self

    def value(self, row: Row, row_name: str) -> str:
        """Return a row's answer, stripped; a column that is missing or holds nothing is a UserError."""
        if self.text is None:
            return value_of(row, self, row_name)
        for column in PLACE.findall(self.text):
            value_of(row, ColumnPart(column=column), row_name)
        return PLACE.sub(lambda place: str(row[place[1]]), self.text).strip()


class Join(StrictModel):
    """A second source with further columns; of two columns of the same name, the one of the first source counts."""

    source: Source = Field(description="where the second rows come from")
    column: str = Field(description="column of both sources; rows with the same text in it belong together")


class Texts(StrictModel):
    """How question and answer become the text that a model reads; nothing may follow the answer."""

    quick: str = Field(f"{QUESTION}\n\n{ANSWER}", description="text with the quick answer: {question} … {answer}")
    slow: str = Field(f"{QUESTION}\n\n{ANSWER}", description="text with the slow answer: {question} … {answer}")

    @model_validator(mode="after")
    def _question_then_answer(self) -> "Texts":
        for side in ("quick", "slow"):
            text = getattr(self, side)
            whole = text.count(QUESTION) == 1 and text.count(ANSWER) == 1
            if not (whole and text.endswith(ANSWER) and text.index(QUESTION) < text.index(ANSWER)):
                raise ValueError(f"'{side}' must hold {QUESTION} once and end in {ANSWER}")
        return self

    def with_answer(self, answer: Answer) -> dict[str, str]:
        """Return what models read, by kind of answer; for both, two texts."""
        return {side: text for side, text in self.model_dump().items() if answer in (side, "both")}


class CalibrationDataEntry(StrictModel):
    """Calibration data: its source, its columns, how many rows are taken, and how models read them."""

    source: Source = Field(description="where the rows come from")
    join: Join | None = Field(None, description="a second source with further columns of the same rows")
    question: ColumnPart = Field(description="where a row has the question")
    quick: AnswerPart = Field(description="where a row has the quick answer")
    slow: AnswerPart = Field(description="where a row has the slow answer")
    count: int = Field(100, gt=0, description="number of rows to take")
    seed: int | None = Field(None, ge=0, description="take rows at random by this seed; absent: the first ones")
    max_tokens: int = Field(2048, gt=1, description="a longer text is cut to so many tokens")
    texts: Texts = Field(Texts(), description="what models read: question and answer as one text")
    sha256: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="sha256 of the rows taken; a run warns if it is absent and says it",
    )

    @property
    def local_files(self) -> dict[str, str]:
        """The sources that are local files, by the keys that say so."""
        paths = {"source.path": self.source.path, "join.source.path": self.join and self.join.source.path}
        return {key: path for key, path in paths.items() if path is not None}


def load_calibration_data(entry: CalibrationDataEntry, entry_file: str) -> pa.Table:
    """Read, normalise and pick the rows of calibration data.

    Args:
        entry: The entry.
        entry_file: What errors call it.

    Returns:
        A table with the schema CALIBRATION_DATA: the rows picked, in the order of the source.

    Raises:
        UserError: A source cannot be read, lacks a column, has fewer rows than are asked for, a picked row holds
            nothing or does not have exactly one row of the second source, or the rows do not have the entry's sha256.
    """
    where = f"{entry_file} ({entry.source.place})"
    raw = read_rows(entry.source, where)
    if len(raw) < entry.count:
        raise UserError(f"{where}: has {len(raw)} rows, 'count' asks for {entry.count}; ask for fewer")
    numbers = range(entry.count)
    if entry.seed is not None:
        numbers = sorted(random.Random(entry.seed).sample(range(len(raw)), entry.count))
    taken = {number: _first_of_lists(raw[number]) for number in numbers}
    if entry.join:
        taken = _joined(taken, entry.join, where, f"{entry_file} ({entry.join.source.place})")
    rows = [_normalise(row, number, entry, where) for number, row in taken.items()]
    check_pinned(rows, entry.sha256, where)
    return table_of(rows, CALIBRATION_DATA)


def find_calibration_data(given: str, asked_by: str) -> pa.Table:
    """Return the rows of calibration data, given by the name of its entry, a YAML file, or a Parquet file of rows.

    Args:
        given: What a user, a recipe or a rule gave.
        asked_by: What errors call that.
    """
    if Path(given).suffix == ".parquet":
        return read_table(Path(given), CALIBRATION_DATA)
    found = entry_option("calibration_data", CalibrationDataEntry, asked_by)(given)
    return load_calibration_data(found.entry, found.where)


def _first_of_lists(row: Row) -> Row:
    return {key: value[0] if isinstance(value, list) and value else value for key, value in row.items()}


def _joined(rows: dict[int, Row], join: Join, where: str, second: str) -> dict[int, Row]:
    """Return rows, by their numbers, with the columns of the row of the second source that belongs to each."""
    key = ColumnPart(column=join.column)
    found: dict[str, list[Row]] = defaultdict(list)
    for number, row in enumerate(read_rows(join.source, second), start=1):
        found[value_of(row, key, f"{second}, row {number}")].append(row)
    joined = {}
    for number, row in rows.items():
        row_name = f"{where}, row {number + 1}"
        others = found[value_of(row, key, row_name)]
        if len(others) != 1:
            raise UserError(
                f"{row_name}: the text of its column '{join.column}' is in {len(others)} rows of {second}; it must be "
                "in exactly one: correct 'join', or mend the rows or take others"
            )
        joined[number] = {**_first_of_lists(others[0]), **row}
    return joined


def _normalise(row: Row, number: int, entry: CalibrationDataEntry, where: str) -> dict[str, str]:
    row_name = f"{where}, row {number + 1}"
    return {
        "row_id": str(number),
        "question": value_of(row, entry.question, row_name),
        "quick_answer": entry.quick.value(row, row_name),
        "slow_answer": entry.slow.value(row, row_name),
    }
