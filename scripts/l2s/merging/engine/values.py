"""Tensor values as torch vectors, read piece by piece, and how many threads work on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from l2s.checkpoints.headers import ITEM_BYTES, TensorPlace
from l2s.checkpoints.tensors import TensorReader, torch_dtype
from l2s.errors import UserError


def raw_buffer(elements: int) -> Tensor:
    """Return room for the bytes of so many elements of any dtype, uint8."""
    return torch.empty(elements * max(ITEM_BYTES.values()), dtype=torch.uint8)


def read_values(reader: TensorReader, place: TensorPlace, offset: int, raw: Tensor, into: Tensor) -> Tensor:
    """Fill ``into`` [n] with a tensor's elements from ``offset`` on, converted to its dtype and device.

    Args:
        reader: Of the model's folder.
        place: Where the tensor lies.
        offset: Index of the first element in the flattened tensor.
        raw: A buffer from ``raw_buffer``.
        into: Where the elements go.
    """
    item = ITEM_BYTES[place.dtype]
    data = raw[: len(into) * item]
    reader.read(place, offset * item, memoryview(data.numpy()))
    return into.copy_(data.view(torch_dtype(place.dtype)))


def is_finite(values: Tensor) -> bool:
    """Say whether no value is NaN or infinite."""
    # A sum is finite unless a value is not (or the values are absurdly large): one cheap pass without a temporary.
    return bool(values.sum().isfinite() or values.isfinite().all())


def not_finite(place: TensorPlace, name: str) -> UserError:
    """Return the error of a source that holds NaN or infinity."""
    return UserError(f"{place.file}: tensor '{name}' holds NaN or infinity; fetch the model again")


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let each torch operation use ``count`` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
