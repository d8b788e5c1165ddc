"""Statistics of a merge, per tensor and model: how far the slow model moved, and what the merge kept of that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite, sqrt
from typing import Any

import pyarrow as pa
import torch

from l2s.checkpoints.tensor_names import layer_of
from l2s.contracts.merge_statistics import MERGE_STATISTICS, SHIFT_BOUND

EXACT_IN_FLOAT32 = 1 << 24


@dataclass
class Sums:
    """Running sums of one tensor, float64; lists have one value a model."""

    elements: int = 0
    base: float = 0.0
    merged: float = 0.0
    changed: int = 0
    vectors: list[float] = field(default_factory=list)
    products: list[float] = field(default_factory=list)
    over: list[int] = field(default_factory=list)


class Meter:
    """Measures one tensor chunk by chunk: ``before`` the method overwrites its buffers, ``after`` with its result.

    Args:
        models: Number of models of the recipe.
        elements: Capacity of a chunk.
        device: Where the chunks are.
    """

    def __init__(self, models: int, elements: int, device: torch.device) -> None:
        self.start = torch.empty(elements, device=device)
        self.vectors = [torch.empty(elements, device=device) for _ in range(models)]
        self.scratch = torch.empty(elements, device=device)
        self.sums = Sums()

    def reset(self) -> None:
        """Begin a new tensor."""
        count = len(self.vectors)
        self.sums = Sums(vectors=[0.0] * count, products=[0.0] * count, over=[0] * count)

    @property
    def finite(self) -> bool:
        """Whether the sums of squares of base and task vectors are finite: if so, every value so far is."""
        return isfinite(self.sums.base + sum(self.sums.vectors))

    def before(self, base: torch.Tensor, models: Iterable[torch.Tensor]) -> None:
        """Measure base and task vectors of a chunk [n], and keep them for ``after``."""
        count, sums = len(base), self.sums
        start = self.start[:count].copy_(base)
        sums.elements += count
        sums.base += float(torch.dot(start, start))
        for number, model in enumerate(models):
            vector = torch.sub(model, start, out=self.vectors[number][:count])
            sums.vectors[number] += float(torch.dot(vector, vector))
            sums.over[number] += _ones(torch.abs(vector, out=self.scratch[:count]).gt_(SHIFT_BOUND))

    def after(self, merged: torch.Tensor) -> None:
        """Measure what the method made of the chunk, [n]."""
        count, sums = len(merged), self.sums
        change = torch.sub(merged, self.start[:count], out=self.start[:count])
        sums.merged += float(torch.dot(change, change))
        for number, vectors in enumerate(self.vectors):
            sums.products[number] += float(torch.dot(change, vectors[:count]))
        sums.changed += _ones(change.ne_(0))


def _ones(mask: torch.Tensor) -> int:
    """Count the ones of a float32 vector of zeros and ones: ten times as fast as counting what is not zero."""
    exact = torch.float32 if len(mask) <= EXACT_IN_FLOAT32 else torch.float64
    return int(mask.sum(dtype=exact))


def statistics_table(measured: Mapping[str, Sums]) -> pa.Table:
    """Return the table, schema MERGE_STATISTICS, of the tensors' sums."""
    rows = [_row(name, number, sums) for name, sums in measured.items() for number in range(len(sums.vectors))]
    return pa.Table.from_pylist(rows, schema=MERGE_STATISTICS)


def _row(name: str, number: int, sums: Sums) -> dict[str, Any]:
    norms = sqrt(sums.vectors[number]), sqrt(sums.merged)
    return {
        "tensor": name,
        "layer": layer_of(name),
        "model": number + 1,
        "elements": sums.elements,
        "base_norm": sqrt(sums.base),
        "task_vector_norm": norms[0],
        "merged_norm": norms[1],
        "cosine": sums.products[number] / (norms[0] * norms[1]) if all(norms) else None,
        "changed": sums.changed / sums.elements,
        "shifts_over_bound": sums.over[number] / sums.elements,
    }
