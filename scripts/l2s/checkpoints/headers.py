"""Safetensors headers: where each tensor's bytes lie, checked before any of them is used.

Format: an 8-byte little-endian length N, N bytes of JSON naming each tensor's dtype, shape and byte range, then the
data. Reading it ourselves gives the positions that the merge engine reads and writes at.
"""

import json
import math
import os
from pathlib import Path
from typing import NamedTuple

from l2s.errors import UserError

ITEM_BYTES = {"BF16": 2, "F16": 2, "F32": 4}
MAX_HEADER_BYTES = 100_000_000
INDEX_NAME = "model.safetensors.index.json"
SINGLE_NAME = "model.safetensors"
FETCH_AGAIN = "the file is damaged: fetch it again"


class TensorPlace(NamedTuple):
    """Where a tensor lies: its file, dtype (safetensors' name), shape, and the file offset and size in bytes."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    nbytes: int

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def first_rows(self, count: int) -> "TensorPlace":
        """Return the place of the tensor's first rows."""
        shape = (count, *self.shape[1:])
        return self._replace(shape=shape, nbytes=math.prod(shape) * ITEM_BYTES[self.dtype])


def read_header(path: Path) -> dict[str, TensorPlace]:
    """Return the tensors of one safetensors file.

    Raises:
        UserError: The file is missing, truncated or malformed, or holds a dtype that merging does not support.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if size < 8 or length > min(size - 8, MAX_HEADER_BYTES):
                raise UserError(f"{path}: not a whole safetensors file ({size:,} bytes); {FETCH_AGAIN}")
            entries = json.loads(stream.read(length))
            if not isinstance(entries, dict):
                raise ValueError
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path}: the safetensors header is not valid JSON; {FETCH_AGAIN}") from None
    entries.pop("__metadata__", None)
    data_start = 8 + length
    places = {name: _place(path, name, entry, data_start) for name, entry in entries.items()}
    end = data_start
    for name, place in sorted(places.items(), key=lambda item: (item[1].start, item[1].nbytes)):
        if place.start != end:
            raise UserError(f"{path}: tensor '{name}' does not begin where the one before it ends; {FETCH_AGAIN}")
        end += place.nbytes
    if end != size:
        raise UserError(f"{path}: holds {size:,} bytes but its header describes {end:,}; {FETCH_AGAIN}")
    return places


def _place(path: Path, name: str, entry: dict, data_start: int) -> TensorPlace:
    try:
        dtype, shape = entry["dtype"], tuple(entry["shape"])
        first, last = entry["data_offsets"]
        if not all(isinstance(number, int) and number >= 0 for number in (*shape, first, last)):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path}: tensor '{name}' has a malformed header entry; {FETCH_AGAIN}") from None
    if str(dtype) not in ITEM_BYTES:
        known = ", ".join(ITEM_BYTES)
        raise UserError(f"{path}: tensor '{name}' has dtype {dtype}; supported are {known}")
    if not math.prod(shape):
        raise UserError(f"{path}: tensor '{name}' of shape {shape} has no element; {FETCH_AGAIN}")
    nbytes = math.prod(shape) * ITEM_BYTES[dtype]
    if last - first != nbytes:
        raise UserError(f"{path}: tensor '{name}' of shape {shape} should have {nbytes:,} bytes; {FETCH_AGAIN}")
    return TensorPlace(path, dtype, shape, data_start + first, nbytes)


def weight_files(folder: Path) -> list[Path]:
    """Return a model folder's safetensors files: those of the index, else the single file.

    Raises:
        UserError: There are none, or the index is malformed or names a file that is missing.
    """
    index, single = folder / INDEX_NAME, folder / SINGLE_NAME
    if not index.is_file():
        if not single.is_file():
            hint = "; *.bin weights are not read" if any(folder.glob("*.bin")) else ""
            raise UserError(f"{folder}: neither {SINGLE_NAME} nor {INDEX_NAME} is there{hint}")
        others = sorted(file.name for file in folder.glob("*.safetensors") if file.name != SINGLE_NAME)
        if others:  # vLLM would read them all, transformers only the single one
            raise UserError(
                f"{folder / others[0]}: lies beside {SINGLE_NAME}, and no index names it; remove one of them"
            )
        return [single]
    try:
        names = sorted(set(map(os.fspath, json.loads(index.read_text())["weight_map"].values())))
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise UserError(f"{index}: not a valid index of weights; {FETCH_AGAIN}") from None
    if not names:
        raise UserError(f"{index}: key 'weight_map' names no file; {FETCH_AGAIN}")
    for name in names:
        if os.path.basename(name) != name or not (folder / name).is_file():
            raise UserError(f"{folder / name}: named in {INDEX_NAME} but missing; fetch the model again")
    if single.is_file() and names != [SINGLE_NAME]:  # transformers would read it in place of the index
        raise UserError(f"{single}: lies beside {INDEX_NAME}, which names other files; remove one of the two")
    return [folder / name for name in names]


def read_headers(folder: Path) -> dict[str, TensorPlace]:
    """Return all tensors of a model folder, by name.

    Raises:
        UserError: As for the files, or a tensor lies in two of them.
    """
    places: dict[str, TensorPlace] = {}
    for file in weight_files(folder):
        for name, place in read_header(file).items():
            if name in places:
                raise UserError(f"{file}: tensor '{name}' is also in {places[name].file.name}; fetch the model again")
            places[name] = place
    return places
