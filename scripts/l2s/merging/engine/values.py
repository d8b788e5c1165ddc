"""Tensor values as torch vectors, read piece by piece."""

from __future__ import annotations

import torch
from torch import Tensor

from l2s.checkpoints.dtypes import TORCH_DTYPE
from l2s.checkpoints.headers import ITEM_BYTES, TensorPlace
from l2s.checkpoints.tensors import TensorReader
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
    return into.copy_(data.view(TORCH_DTYPE[place.dtype]))


def is_finite(values: Tensor) -> bool:
    """Say whether no value is NaN or infinite."""
    # A sum is finite unless a value is not (or the values are absurdly large): one cheap pass without a temporary.
    return bool(values.sum().isfinite() or values.isfinite().all())


def not_finite(place: TensorPlace, name: str) -> UserError:
    """Return the error of a source that holds NaN or infinity."""
    return UserError(f"{place.file}: tensor '{name}' holds NaN or infinity; fetch the model again")
