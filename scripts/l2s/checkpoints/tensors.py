"""Positioned reads and writes of tensor bytes, through buffers that the caller owns and reuses."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from l2s.checkpoints.headers import INDEX_NAME, ITEM_BYTES, SINGLE_NAME, TensorPlace, read_headers
from l2s.checkpoints.manifest import TensorRecord
from l2s.errors import UserError

if TYPE_CHECKING:
    import torch

DIGEST_BYTES = 1 << 22
MOST_THREADS = 8  # that digest; more than a disk or a network file system can feed
TORCH_NAMES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}
# The bits of the exponent; all of them are set in NaN and infinity, and in nothing else.
EXPONENTS = {"BF16": np.uint16(0x7F80), "F16": np.uint16(0x7C00), "F32": np.uint32(0x7F800000)}


def torch_dtype(name: str) -> torch.dtype:
    """Return torch's dtype for what safetensors files call a dtype, e.g. ``BF16``."""
    # The workflow's dry run loads this module, and must not wait for torch.
    import torch

    return getattr(torch, TORCH_NAMES[name])


class _Files:
    """Open descriptors by path, closed together."""

    def __init__(self) -> None:
        self.descriptors: dict[Path, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self.descriptors.values():
            os.close(descriptor)
        self.descriptors.clear()


class TensorReader(_Files):
    """Reads pieces of a model folder's tensors.

    Raises:
        UserError: The folder's safetensors files are missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.places = read_headers(folder)
        for place in self.places.values():
            if place.file not in self.descriptors:
                self.descriptors[place.file] = os.open(place.file, os.O_RDONLY)

    def read(self, place: TensorPlace, first_byte: int, into: memoryview) -> None:
        """Fill ``into`` with the tensor's bytes from ``first_byte`` on; safe to call from several threads."""
        done = 0
        while done < len(into):
            got = os.preadv(self.descriptors[place.file], [into[done:]], place.start + first_byte + done)
            if got == 0:
                raise UserError(f"{place.file}: ended while it was read; fetch the model again")
            done += got


class Planned(NamedTuple):
    """A tensor to be written: its safetensors dtype name and shape."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]


class TensorWriter(_Files):
    """Writes tensors piece by piece into sharded safetensors files whose layout is fixed beforehand.

    Args:
        folder: An existing folder.
        tensors: Every tensor, in the order of the files.
        max_shard_bytes: A shard is closed before it would exceed this (a larger tensor gets a shard of its own).
        keep: False leaves files of the right size without data, for a caller that only wants their names and sizes.
    """

    def __init__(self, folder: Path, tensors: Mapping[str, Planned], max_shard_bytes: int, keep: bool = True) -> None:
        super().__init__()
        self.folder, self.keep = folder, keep
        self.places: dict[str, TensorPlace] = {}
        shards = _shards(tensors, max_shard_bytes)
        self.files = [folder / _shard_name(number, len(shards)) for number in range(1, len(shards) + 1)]
        for file, names in zip(self.files, shards, strict=True):
            self._create(file, {name: tensors[name] for name in names})
        if len(shards) > 1:
            self._write_index(tensors)

    def _create(self, file: Path, tensors: Mapping[str, Planned]) -> None:
        header: dict = {"__metadata__": {"format": "pt"}}
        end = 0
        for name, tensor in tensors.items():
            offsets = [end, end + tensor.nbytes]
            header[name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": offsets}
            end += tensor.nbytes
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        self.descriptors[file] = descriptor
        os.pwrite(descriptor, len(text).to_bytes(8, "little") + text, 0)
        os.truncate(descriptor, 8 + len(text) + end)
        for name, tensor in tensors.items():
            start = 8 + len(text) + header[name]["data_offsets"][0]
            self.places[name] = TensorPlace(file, tensor.dtype, tensor.shape, start, tensor.nbytes)

    def _write_index(self, tensors: Mapping[str, Planned]) -> None:
        index = {
            "metadata": {"total_size": sum(tensor.nbytes for tensor in tensors.values())},
            "weight_map": {name: place.file.name for name, place in self.places.items()},
        }
        (self.folder / INDEX_NAME).write_text(json.dumps(index, indent=1, sort_keys=True) + "\n")

    def write(self, name: str, first_byte: int, data: memoryview) -> None:
        """Write bytes of a tensor at ``first_byte``; safe to call from several threads.

        Raises:
            OSError: The disk is full, or another fault of the file system.
        """
        place = self.places[name]
        done = 0 if self.keep else len(data)
        while done < len(data):
            done += os.pwrite(self.descriptors[place.file], data[done:], place.start + first_byte + done)


def _shards(tensors: Mapping[str, Planned], max_shard_bytes: int) -> list[list[str]]:
    shards: list[list[str]] = [[]]
    filled = 0
    for name, tensor in tensors.items():
        if shards[-1] and filled + tensor.nbytes > max_shard_bytes:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += tensor.nbytes
    return shards


def _shard_name(number: int, count: int) -> str:
    return SINGLE_NAME if count == 1 else f"model-{number:05d}-of-{count:05d}.safetensors"


def digest_tensors(
    folder: Path, names: Iterable[str] | None = None, check_finite: bool = False
) -> dict[str, TensorRecord]:
    """Return the record of every tensor of a model folder, read in pieces of 4 MiB, several tensors at a time.

    Raises:
        UserError: With ``check_finite``: a tensor holds NaN or infinity.
    """
    with TensorReader(folder) as reader, ThreadPoolExecutor(_digest_threads()) as pool:
        wanted = list(names or reader.places)
        # The largest first, so that the threads finish together.
        order = sorted(wanted, key=lambda name: -reader.places[name].nbytes)
        digest = partial(_digest_tensor, reader, check_finite=check_finite)
        records = dict(zip(order, pool.map(digest, order), strict=True))
    return {name: records[name] for name in wanted}


def _digest_threads() -> int:
    """Return on how many threads tensors are digested: the cores that this process may use, up to eight."""
    return min(len(os.sched_getaffinity(0)), MOST_THREADS)


def _digest_tensor(reader: TensorReader, name: str, check_finite: bool) -> TensorRecord:
    place = reader.places[name]
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(min(DIGEST_BYTES, place.nbytes)))
    for first in range(0, place.nbytes, DIGEST_BYTES):
        piece = buffer[: min(DIGEST_BYTES, place.nbytes - first)]
        reader.read(place, first, piece)
        digest.update(piece)
        if check_finite and not _is_finite(piece, place.dtype):
            raise UserError(f"{place.file}: tensor '{name}' holds NaN or infinity; fetch the model again")
    return TensorRecord(dtype=place.dtype, shape=place.shape, sha256=digest.hexdigest())


def _is_finite(piece: memoryview, dtype: str) -> bool:
    """Say whether no element is NaN or infinite; dtypes that are not merged pass unseen."""
    if dtype not in EXPONENTS:
        return True
    exponent = EXPONENTS[dtype]
    elements = np.frombuffer(piece, exponent.dtype)
    return not (elements & exponent == exponent).any()
