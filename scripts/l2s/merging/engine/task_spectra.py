"""Singular values of a task vector, matrix by matrix."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from math import prod
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from l2s.checkpoints.manifest import TensorRecord
from l2s.checkpoints.tensor_names import layer_of, module_of
from l2s.checkpoints.tensors import TensorReader
from l2s.checkpoints.verified import VerifyingReader
from l2s.contracts.spectra import SPECTRA
from l2s.merging.engine.contract import PIECE_ELEMENTS
from l2s.merging.engine.plan import Source, read_sources
from l2s.merging.engine.spectra import singular_values
from l2s.merging.engine.values import is_finite, not_finite, raw_buffer, read_values, torch_threads
from l2s.progress import Progress


def measure_spectra(
    base: Path, model: Path, threads: int, known: Mapping[Path, Mapping[str, TensorRecord]] | None = None
) -> pa.Table:
    """Return the singular values of every matrix of model − base, schema SPECTRA.

    One matrix is in memory at a time, as float32. Where only one of the two has an output layer of its own, the other's
    embedding stands in for it, as in a merge.

    Args:
        base: The base's folder.
        model: The model's folder.
        threads: Threads of the work on a matrix.
        known: By folder, what is known of a model's tensors; they are compared with it while they are read.

    Raises:
        UserError: The models' tensors differ, hold NaN or infinity, or are not those that are known; names the tensor.
    """
    policies: dict[str, str] = {}
    sources = read_sources(base, [model], policies)
    for name, policy in policies.items():
        print(f"policy: {name}: {policy}")
    shapes = {name: place.shape for name, place in sources[-1].places.items() if len(place.shape) == 2}
    progress = Progress("spectra", sum(map(prod, shapes.values())) / 1e6, "million elements")
    tables = []
    with ExitStack() as stack, torch_threads(threads):
        readers = [
            stack.enter_context(VerifyingReader(source.folder, (known or {}).get(source.folder, {})))
            for source in sources
        ]
        for name, shape in shapes.items():
            values = singular_values(_task_vector(name, sources, readers).view(shape))
            tables.append(_rows(name, shape, values.numpy()))
            progress.add(prod(shape) / 1e6)
    return pa.concat_tables(tables)


def _task_vector(name: str, sources: list[Source], readers: list[TensorReader]) -> torch.Tensor:
    """Return model − base of one tensor, float32 [n]."""
    places = [source.places[name] for source in sources]
    count = places[0].elements
    whole = torch.empty(count)
    raw, subtrahend = raw_buffer(PIECE_ELEMENTS), torch.empty(PIECE_ELEMENTS)
    for offset in range(0, count, PIECE_ELEMENTS):
        piece = whole[offset : offset + PIECE_ELEMENTS]
        for reader, place, into in zip(readers, places, (subtrahend[: len(piece)], piece), strict=True):
            if not is_finite(read_values(reader, place, offset, raw, into)):
                raise not_finite(place, name)
        piece.sub_(subtrahend[: len(piece)])
    return whole


def _rows(name: str, shape: tuple[int, int], values: np.ndarray) -> pa.Table:
    count = len(values)
    same = {"tensor": name, "layer": layer_of(name), "module": module_of(name), "rows": shape[0], "columns": shape[1]}
    columns = {key: pa.array([value] * count, SPECTRA.field(key).type) for key, value in same.items()}
    return pa.table(
        {**columns, "rank": pa.array(range(1, count + 1), pa.int32()), "singular_value": values}, schema=SPECTRA
    )
