"""What a study's table and comparisons are made from: the lines, what counts, and the files of each checkpoint."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import pyarrow as pa
from pydantic import Field

from l2s.analysis.paper_table import Cell
from l2s.analysis.table import COUNTING, Counting, Graded, Row
from l2s.config import StrictModel, read_yaml, validate
from l2s.contracts.grades import GRADES
from l2s.contracts.parquet import read_table
from l2s.contracts.questions import QUESTIONS
from l2s.contracts.responses import RESPONSES, Reading
from l2s.contracts.table import QUESTION

# Token ids, which are most of a file, are not.
RESPONSES_READ = [
    *QUESTION, *Reading._fields, "text", "output_tokens", "retokenized", "finish_reason", "repetition", "imported_score"
]  # fmt: skip
GRADES_READ = [*QUESTION, *Reading._fields, "outcome"]


class Files(StrictModel):
    """What was measured of a checkpoint."""

    responses: str = Field(description="Parquet file")
    grades: dict[str, str] = Field(min_length=1, description="Parquet files, by grader, the study's own grader first")

    def read(self) -> Graded:
        """Read them."""
        grades = {grader: read_table(Path(path), GRADES, GRADES_READ) for grader, path in self.grades.items()}
        return read_table(Path(self.responses), RESPONSES, RESPONSES_READ), grades

    def so_far(self) -> Self | None:
        """Return the files with the grades of the study's own grader alone; None while there are none."""
        own, path = next(iter(self.grades.items()))
        there = Path(self.responses).is_file() and Path(path).is_file()
        return self.model_copy(update={"grades": {own: path}}) if there else None


class Measured(Mapping[str, Graded]):
    """What was measured of checkpoints, read anew whenever it is asked for: hundreds of them fit in no memory."""

    def __init__(self, files: Mapping[str, Files]) -> None:
        self._files = files

    def __getitem__(self, checkpoint: str) -> Graded:
        return self._files[checkpoint].read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


class Spec(StrictModel):
    """What a study's table is made from."""

    study: str
    title: str
    reference: str = Field(description="how the table's note names what lengths are compared with")
    benchmarks: tuple[str, ...] = Field(min_length=1)
    cell: Cell | None = Field(None, description="what a cell of the paper's layout holds; absent: no such table")
    counting: Counting = Field(COUNTING, description="what counts as length and as reflection")
    allowed_loss: float = Field(1.0, ge=0, le=100, description="points of accuracy that may be lost")
    limits: tuple[str, ...] = Field((), description="sentences on limits of single checkpoints, for the table's note")
    questions: tuple[str, ...] = Field((), description="Parquet files of the benchmarks' questions")
    rows: tuple[Row, ...] = Field(min_length=1)
    checkpoints: dict[str, Files] = Field(description="by name, every checkpoint of the rows and every reference")

    def so_far(self) -> Self | None:
        """Return the lines whose checkpoints have been graded; None if there are none.

        They are compared where the reference has been graded as well, and by the study's own grader alone.
        """
        files = {name: part for name, all_of_it in self.checkpoints.items() if (part := all_of_it.so_far())}
        rows = tuple(
            row if row.reference in files else row.model_copy(update={"reference": None})
            for row in self.rows
            if row.checkpoint in files
        )
        return self.model_copy(update={"rows": rows, "checkpoints": files}) if rows else None

    @property
    def measured(self) -> Measured:
        """What was measured of each checkpoint."""
        return Measured(self.checkpoints)

    def asked(self) -> Iterator[pa.Table]:
        """Yield the tables of questions."""
        yield from (read_table(Path(path), QUESTIONS) for path in self.questions)


def read_spec(path: str) -> Spec:
    """Read a specification from a YAML file."""
    return validate(Spec, read_yaml(Path(path)), path)
