"""Records of files that other tools wrote: JSONL, Parquet, and Inspect's logs."""

import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from l2s.errors import UserError, first_line
from l2s.sources.generation import Record

ZSTD = 93  # the number of this compression in ZIP files, which Python reads from 3.14 on
LOCAL_HEADER = struct.Struct("<4s5H3L2H")

SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")  # JSON spells them so, pairs and halves alike
MOST_BYTES = 1_000_000_000


def read_records(file: Path) -> Iterator[Record]:
    """Yield a file's records, by its suffix: lines of JSONL, rows of Parquet, samples of an Inspect log.

    Raises:
        UserError: It is missing, cannot be read, is of another kind, or holds something else than objects.
    """
    readers = {".jsonl": _lines, ".parquet": _rows, ".json": _log, ".eval": _packed_log}
    if file.suffix not in readers:
        raise UserError(f"{file}: a file of generations ends in {', '.join(readers)}")
    if not file.is_file():
        raise UserError(f"{file}: no such file")
    empty = True
    for place, values in readers[file.suffix](file):
        if not isinstance(values, dict):
            raise UserError(f"{place}: expected an object with named fields, found {type(values).__name__}")
        # lighteval's documentation writes the names of its columns so, its code without underscores.
        yield Record(place, {name.strip("_") if name.startswith("__") else name: values[name] for name in values})
        empty = False
    if empty:
        raise UserError(f"{file}: the file is empty: it holds no generation")


def _lines(file: Path) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(io.BytesIO(file.read_bytes()), start=1):
        if line.strip():
            place = f"{file}, line {number}"
            yield place, _parsed(line, place)


def _rows(file: Path) -> Iterator[tuple[str, Any]]:
    try:
        table = pq.read_table(file)
    except Exception as error:  # what is read of a damaged file may fail in many ways
        raise UserError(f"{file}: not a readable Parquet file ({first_line(error)}); copy it again") from None
    for number, row in enumerate(table.to_pylist(), start=1):
        yield f"{file}, row {number}", row


def _log(file: Path) -> Iterator[tuple[str, Any]]:
    log = _parsed(file.read_bytes(), str(file))
    samples = log.get("samples") if isinstance(log, dict) else None
    if not isinstance(samples, list):
        raise UserError(f"{file}: not a log of Inspect: it has no list 'samples'")
    for number, sample in enumerate(samples, start=1):
        yield f"{file}, sample {number}", sample


def _packed_log(file: Path) -> Iterator[tuple[str, Any]]:
    try:
        with zipfile.ZipFile(file) as packed:
            names = sorted(name for name in packed.namelist() if name.startswith("samples/"))
            for name in names:
                place = f"{file}, {name}"
                yield place, _parsed(_unpacked(file, packed, packed.getinfo(name)), place)
    except (zipfile.BadZipFile, struct.error, pa.ArrowInvalid, OSError, zlib.error, NotImplementedError) as error:
        raise UserError(f"{file}: not a log of Inspect ({first_line(error)}); copy it again") from None


def _unpacked(file: Path, packed: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    if entry.file_size > MOST_BYTES:
        raise UserError(f"{file}, {entry.filename}: unpacks to {entry.file_size:,} bytes: no sample is so long")
    if entry.compress_type != ZSTD:
        return packed.read(entry)
    with file.open("rb") as stream:
        stream.seek(entry.header_offset)
        *_, name_length, extra_length = LOCAL_HEADER.unpack(stream.read(LOCAL_HEADER.size))
        stream.seek(name_length + extra_length, io.SEEK_CUR)
        data = stream.read(entry.compress_size)
    return pa.CompressedInputStream(pa.BufferReader(data), "zstd").read()


def _parsed(text: bytes, place: str) -> Any:
    try:
        value = json.loads(text)
        if SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise UserError(f"{place}: holds half a character (a lone surrogate); correct it") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place}: not valid JSON ({error}); correct it or make the file again") from None
    return value
