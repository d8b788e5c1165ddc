"""A responses Parquet of this project, e.g. of another results folder: everything in it is kept."""

from collections.abc import Iterable, Iterator

from l2s.contracts.responses import RESPONSES
from l2s.sources.generation import Generation, Record

SUFFIXES = (".parquet",)
FIELDS = frozenset(RESPONSES.names)
CUT = ("read_at", "budget")


def read(records: Iterable[Record]) -> Iterator[Generation]:
    """Yield the responses as they were decoded; those that were cut afterwards are made of them again."""
    for record in records:
        row = record.values
        if any(row.get(column) is not None for column in CUT):
            continue
        yield Generation(
            record.place,
            row["text"],
            row["sample"],
            index=row["question_id"],
            score=row["imported_score"],
            benchmark=row["benchmark"],
            response=row,
        )
