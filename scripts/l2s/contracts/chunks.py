"""Rows that are kept for good outside declared outputs, in files that are written once and name their own content.

A chunk is written by rename and named after its own sha256: a damaged one is found when it is read, and given up.
Many small ones are put together into larger ones, as hundreds of thousands of files are more than a shared file system
serves in time.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from l2s.contracts.parquet import table_of
from l2s.files import atomic_path

SMALL_BYTES = 8_000_000
MANY = 64
"""So many chunks smaller than SMALL_BYTES are put together."""
FULL_BYTES = 64_000_000
"""What is put together grows no larger than this by much."""


class Chunk(NamedTuple):
    """A chunk: its file, and what is in it, of which columns are decoded when they are asked for."""

    file: Path
    content: pq.ParquetFile


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
        self._written: set[Path] = set()

    def new(self) -> Iterator[Chunk]:
        """Yield the chunks that have come since the last call."""
        for file in sorted(set(self.folder.glob("*.parquet")) - self._loaded):
            content = self.read(file)
            if content is not None:
                self._loaded.add(file)
                yield Chunk(file, content)

    def read(self, file: Path) -> pq.ParquetFile | None:
        """Return what is in a chunk; None if another job has deleted it, or if it is damaged and has been given up."""
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            return None
        if hashlib.sha256(data).hexdigest() != file.stem:
            print(f"{file}: damaged (its sha256 is not its name); deleted, {self.lost}")
            file.unlink(missing_ok=True)
            return None
        return pq.ParquetFile(io.BytesIO(data))

    def add(self, rows: Iterable[Mapping[str, Any]]) -> Chunk:
        """Write rows as one chunk, and return it."""
        return self._write(table_of(rows, self.schema))

    def _write(self, rows: pa.Table) -> Chunk:
        buffer = io.BytesIO()
        pq.write_table(rows, buffer, compression="zstd")
        data = buffer.getbuffer()
        file = self.folder / f"{hashlib.sha256(data).hexdigest()}.parquet"
        with atomic_path(file) as partial:
            partial.write_bytes(data)
        self._loaded.add(file)
        self._written.add(file)
        return Chunk(file, pq.ParquetFile(buffer))

    def compact(self, own: bool) -> Iterator[Chunk]:
        """Put small chunks together if there are many, and yield what they have become.

        The new chunk is there before the old ones go: a job that is killed in between leaves rows twice.

        Args:
            own: Only those that this process wrote; all may only be by one job at a time.
        """
        files = self._written if own else self._loaded
        sizes = {file: file.stat().st_size for file in sorted(files) if file.is_file()}
        small = [file for file, size in sizes.items() if size < SMALL_BYTES]
        while len(small) >= MANY:
            together: list[Path] = []
            while small and sum(map(sizes.__getitem__, together)) < FULL_BYTES:
                together.append(small.pop())
            parts = [content.read() for content in map(self.read, together) if content is not None]
            if parts:
                yield self._write(pa.concat_tables(parts).combine_chunks())
            for file in together:
                file.unlink(missing_ok=True)
