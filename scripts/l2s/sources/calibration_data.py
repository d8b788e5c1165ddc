"""Calibration data: questions with a quick and a slow answer, from the hub or a local file, normalised to one schema.

A set is one YAML under ``config/calibration_data/``. Calibration runs models over it, DPO trains on it. Which column is
which answer is the entry's business: the paper does not say it for s1K.
"""

import random
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
    question: ColumnPart = Field(description="where a row has the question")
    quick: ColumnPart = Field(description="column of the quick answer; of a list of texts the first is taken")
    slow: ColumnPart = Field(description="column of the slow answer; of a list of texts the first is taken")
    count: int = Field(100, gt=0, description="number of rows to take")
    seed: int | None = Field(None, ge=0, description="take rows at random by this seed; absent: the first ones")
    max_tokens: int = Field(2048, gt=1, description="a longer text is cut to so many tokens")
    texts: Texts = Field(Texts(), description="what models read: question and answer as one text")
    sha256: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="sha256 of the rows taken; a run warns if it is absent and says it",
    )


def load_calibration_data(entry: CalibrationDataEntry, entry_file: str) -> pa.Table:
    """Read, normalise and pick the rows of calibration data.

    Args:
        entry: The entry.
        entry_file: What errors call it.

    Returns:
        A table with the schema CALIBRATION_DATA: the rows picked, in the order of the source.

    Raises:
        UserError: The source cannot be read, lacks a column, has fewer rows than are asked for, a picked row
            holds nothing, or the rows do not have the entry's sha256.
    """
    where = f"{entry_file} ({entry.source.place})"
    raw = read_rows(entry.source, where)
    if len(raw) < entry.count:
        raise UserError(f"{where}: has {len(raw)} rows, 'count' asks for {entry.count}; ask for fewer")
    numbers = range(entry.count)
    if entry.seed is not None:
        numbers = sorted(random.Random(entry.seed).sample(range(len(raw)), entry.count))
    rows = [_normalise(raw[number], number, entry, where) for number in numbers]
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


def _normalise(row: Mapping[str, Any], number: int, entry: CalibrationDataEntry, where: str) -> dict[str, str]:
    row_name = f"{where}, row {number + 1}"
    first = {key: value[0] if isinstance(value, list) and value else value for key, value in row.items()}
    return {
        "row_id": str(number),
        "question": value_of(first, entry.question, row_name),
        "quick_answer": value_of(first, entry.quick, row_name),
        "slow_answer": value_of(first, entry.slow, row_name),
    }
