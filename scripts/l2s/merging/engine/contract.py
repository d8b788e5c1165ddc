"""What a merging method is to the engine.

A method is a module of ``l2s.merging`` with one subclass of ``Method``: its fields are the recipe's hyper-parameters,
``merge`` is its equation. The engine streams every tensor through fixed buffers and hands the method one ``Chunk`` at a
time; a method that needs statistics first (a magnitude threshold) asks for a ``Tally`` and sees each chunk once more
per counting pass. Method modules import torch only inside functions, so that building the workflow stays fast.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

from pydantic import Field

from l2s.config import StrictModel
from l2s.contracts.calibration_data import Answer

if TYPE_CHECKING:
    from torch import Tensor

    from l2s.contracts.calibrations import Calibration

Scope = Literal["tensor", "model"]
PIECE_ELEMENTS = 1 << 19


class CalibrationRequest(NamedTuple):
    """A calibration that a method reads.

    Attributes:
        kind: What is measured: the name of a module of ``l2s.calibration.kinds``.
        models: Which models it is measured on: None is the base, 0 the first of the recipe's models.
        calibration_data: Name of the entry of config/calibration_data.
        answer: Which of its answers the models read.
    """

    kind: str
    models: tuple[int | None, ...]
    calibration_data: str
    answer: Answer


@dataclass
class Chunk:
    """A piece of one tensor, of every model.

    Attributes:
        name: The tensor's name.
        shape: The whole tensor's shape.
        offset: Index of the chunk's first element in the flattened (row-major) tensor.
        base: float32 [n], the base's elements; None for methods without a base. (With ``fidelity: released`` all
            vectors of a method that is ``released_in_bfloat16`` are that, so that every operation rounds as there.)
        models: One float32 [n] per model, in the recipe's order.
        prepared: What the method's ``prepare`` returned.

    A method may overwrite ``base`` and ``models``: they are the engine's buffers, filled anew for each chunk.
    """

    name: str
    shape: tuple[int, ...]
    offset: int
    base: Tensor | None
    models: list[Tensor]
    prepared: Any = None

    def task_vectors(self) -> list[Tensor]:
        """Turn ``models`` into task vectors (model − base), in place, and return them; call it once a chunk."""
        for model in self.models:
            model.sub_(self.base)
        return self.models

    def as_matrix(self, vector: Tensor) -> Tensor:
        """Return a view of a whole tensor's vector [n] as a matrix; a tensor of one dimension is a single row."""
        return vector.view(matrix_shape(self.shape))

    def pieces(self) -> Iterator[slice]:
        """Yield slices of a whole tensor's vectors, for steps whose temporary vectors must stay small."""
        for start in range(0, prod(self.shape), PIECE_ELEMENTS):
            yield slice(start, start + PIECE_ELEMENTS)


def matrix_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return rows and columns of a tensor as a matrix; a tensor of one dimension is a single row."""
    rows = shape[0] if len(shape) > 1 else 1
    return rows, prod(shape) // rows


class Cost(NamedTuple):
    """What merging one whole tensor takes beside reading and writing it.

    Attributes:
        nbytes: Memory.
        operations: Arithmetic operations that all threads share.
        serial: Those that one thread does alone.
    """

    nbytes: int
    operations: float
    serial: float = 0.0

    def times(self, count: int) -> Cost:
        """Return the cost of doing it so many times in the same memory."""
        return Cost(self.nbytes, self.operations * count, self.serial * count)


class Tally(Protocol):
    """Statistics collected in counting passes over one tensor or the whole model, before anything is merged.

    Attributes:
        scope: Whether each tensor has a tally of its own, or the whole model shares one.
        passes: How many times every chunk is counted.
    """

    scope: Scope
    passes: int

    def add(self, task_vectors: list[Tensor]) -> None:
        """Count a chunk; called from several threads, in any order."""

    def finish_pass(self) -> None:
        """Called after each pass, when every chunk has been counted."""


class Method(StrictModel, ABC):
    """A merging method with its hyper-parameters.

    Class attributes:
        works_on: ``elements``: a chunk is any run of elements, and several are merged at a time, each by one thread;
            ``matrices``: a chunk is a whole tensor. Small ones are merged several at a time, each by one thread, large
            ones alone, with all threads for torch's operations. Such a method has no tally, and says what a tensor
            costs.
        needs_base: Whether ``Chunk.base`` is read.
        min_models: How many models a recipe must have, the base not counted.
        max_models: How many it may have; None: any number. Where a hyper-parameter decides, both may be properties.
        released_in_bfloat16: Whether the paper's released code computes the method in bfloat16, and so
            ``fidelity: released`` does. If not, its arithmetic is that of ``exact``.
        moves_base: Why the method changes the base beside adding task vectors; empty: it does not. May be a property.
    """

    works_on: ClassVar[Literal["elements", "matrices"]] = "elements"
    needs_base: ClassVar[bool] = True
    min_models: ClassVar[int] = 1
    max_models: ClassVar[int | None] = None
    released_in_bfloat16: ClassVar[bool] = False
    moves_base: ClassVar[str] = ""

    method: str = Field(description="name of the method: the name of its module in scripts/l2s/merging")

    def calibrations_needed(self, models: int) -> dict[str, CalibrationRequest]:
        """Return the calibrations that the method reads, by names of its own; ``models``: number of models."""
        return {}

    def prepare(self, calibrations: Mapping[str, Calibration], shapes: Mapping[str, tuple[int, ...]]) -> Any:
        """Turn calibrations into what ``merge`` finds in ``Chunk.prepared``; called once, before a merge starts.

        Args:
            calibrations: Those that ``calibrations_needed`` asks for, by its names.
            shapes: Shape of every tensor of the result, by name.

        Raises:
            UserError: A calibration does not fit the tensors; names the calibration's file.
        """
        return None

    def check_tensors(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Refuse hyper-parameters that do not fit the tensors, shapes by name; called before a merge starts."""

    def cost(self, shape: tuple[int, ...], models: int) -> Cost:
        """Return what ``merge`` takes for a whole tensor of this shape; only of interest for ``matrices``."""
        return Cost(0, 0)

    def task_vectors(self, chunk: Chunk) -> list[Tensor]:
        """Return the task vectors that the method works on, float32 [n] each, in the chunk's own buffers."""
        return chunk.task_vectors()

    def tally(self, models: int, released: bool) -> Tally | None:
        """Return a fresh tally for ``models`` models, or None if the method needs no counting pass.

        Args:
            models: Number of models of the recipe.
            released: Whether to count as the paper's released code does, in chunks of bfloat16 instead of float32.
        """
        return None

    def count(self, chunk: Chunk, tally: Tally) -> None:
        """Add a chunk to the tally, in a counting pass."""
        raise NotImplementedError(f"{type(self).__name__} has a tally and must define count()")

    @abstractmethod
    def merge(self, chunk: Chunk, tally: Tally | None) -> Tensor:
        """Return the merged elements, float32 [n]; may be one of the chunk's own buffers.

        Use separate float32 operations (``sub_``, ``mul_``, ``add_``; no ``alpha=``, ``lerp`` or ``addcmul``, which
        fuse) and divide by tensors, not numbers, so that the CPU and CUDA agree to the bit.
        """
