"""Rows that are kept for good outside declared outputs, in files that are written once and name their own content.

A chunk is written by rename and named after its own sha256: a damaged one is found when it is read, and given up.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from l2s.contracts.parquet import table_of
from l2s.files import atomic_path


class Chunks:
    """The chunk files of a folder.

    Args:
        folder: The folder; it need not exist yet.
        schema: The schema of their rows.
        lost: What happens to the rows of a damaged chunk, for its message, e.g. ``its responses are decoded again``.
    """

    def __init__(self, folder: Path, schema: pa.Schema, lost: str) -> None:
        self.folder, self.schema, self.lost = folder, schema, lost
        self._loaded: set[Path] = set()

    def new_rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of the chunks that have come since the last call."""
        for chunk in sorted(set(self.folder.glob("*.parquet")) - self._loaded):
            yield from self._rows(chunk)

    def _rows(self, chunk: Path) -> Iterator[dict[str, Any]]:
        try:
            data = chunk.read_bytes()
        except FileNotFoundError:
            return  # another job found it damaged first
        if hashlib.sha256(data).hexdigest() != chunk.stem:
            print(f"{chunk}: damaged (its sha256 is not its name); deleted, {self.lost}")
            chunk.unlink(missing_ok=True)
            return
        self._loaded.add(chunk)
        yield from pq.read_table(io.BytesIO(data)).to_pylist()

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows as one chunk."""
        buffer = io.BytesIO()
        pq.write_table(table_of(rows, self.schema), buffer, compression="zstd")
        data = buffer.getvalue()
        chunk = self.folder / f"{hashlib.sha256(data).hexdigest()}.parquet"
        with atomic_path(chunk) as partial:
            partial.write_bytes(data)
        self._loaded.add(chunk)
