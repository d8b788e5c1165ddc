"""Parquet with a declared schema: every table names its columns, their types and what they mean."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from l2s.errors import UserError, first_line
from l2s.files import atomic_path


class Column(NamedTuple):
    """A column: its name, Arrow type, and meaning with the unit."""

    name: str
    type: pa.DataType
    meaning: str
    nullable: bool = False


def schema_of(columns: Iterable[Column]) -> pa.Schema:
    """Build the Arrow schema; each field carries its meaning as metadata, so that a file explains itself."""
    return pa.schema(
        pa.field(column.name, column.type, column.nullable, {"description": column.meaning}) for column in columns
    )


def table_of(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Build a table from row mappings.

    Raises:
        ValueError: A row lacks a column or has one too many, or a required column holds null.
    """
    rows = list(rows)
    expected = set(schema.names)
    for row in rows:
        if row.keys() != expected:
            raise ValueError(f"columns differ from the declared schema: {sorted(expected ^ row.keys())}")
    table = pa.Table.from_pylist(rows, schema=schema)
    for field in schema:
        if not field.nullable and table[field.name].null_count:
            raise ValueError(f"column '{field.name}' holds null, which its schema does not allow")
    return table


def write_table(table: pa.Table, path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write a table atomically, each page with its checksum; ``metadata`` joins the file's key-value metadata."""
    if metadata:
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **metadata})
    with atomic_path(path) as partial:
        pq.write_table(table, partial, compression="zstd", write_page_checksum=True)


def write_tables(parts: Iterable[pa.Table], schema: pa.Schema, path: Path) -> int:
    """Write a table that comes in parts as ``write_table`` does, and return its number of rows."""
    rows = 0
    with (
        atomic_path(path) as partial,
        pq.ParquetWriter(partial, schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        for part in parts:
            writer.write_table(part)
            rows += len(part)
    return rows


def read_table(path: Path, schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a Parquet file that must have exactly the columns and types of ``schema``.

    Args:
        path: The file.
        schema: What it must be.
        columns: The columns to read; None: all.

    Raises:
        UserError: The file is missing, is no Parquet, is damaged, or has other columns.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        written = pq.read_schema(path)
        table = pq.read_table(path, columns=columns, page_checksum_verification=True)
        table.validate(full=True)
    except Exception as error:  # what is read of a damaged file may fail in many ways
        raise UserError(
            f"{path}: not a readable Parquet file ({first_line(error)}); make it again, or copy it again"
        ) from None
    found = {field.name: field.type for field in written}
    wanted = {field.name: field.type for field in schema}
    if found != wanted:
        wrong = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        raise UserError(f"{path}: columns {', '.join(wrong)} are missing, unexpected or of another type")
    asked = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    return table.select(asked.names).cast(asked)


def read_metadata(path: Path) -> dict[str, str]:
    """Return the key-value metadata that ``write_table`` put into a Parquet file."""
    metadata = pq.read_schema(path).metadata or {}
    return {key.decode(): value.decode() for key, value in metadata.items()}
