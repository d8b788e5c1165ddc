"""Fisher information of a model on random tokens, and how far another model is from it, by tensor (FIM-Merging, arXiv
2603.21705).

The squared gradient of the loss stands for the diagonal of the Fisher information. No data are needed: each sequence is
64 tokens drawn uniformly from the vocabulary, always the same ones. The calibration data only say how many there are,
one for each text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from l2s.checkpoints.tensor_names import layer_of
from l2s.contracts.parquet import Column, schema_of, table_of, write_table
from l2s.errors import UserError

if TYPE_CHECKING:
    from l2s.calibration.hidden_states import Room
    from l2s.calibration.streamed import StreamedModel
    from l2s.calibration.texts import Text

MODELS = 2
SUFFIX = ".parquet"
SEQUENCE_TOKENS = 64
SEED = 0
PIECE_ELEMENTS = 1 << 20
SCHEMA = schema_of(
    [
        Column("tensor", pa.string(), "name of the tensor"),
        Column("layer", pa.int32(), "number of its decoder layer; null outside the layers", nullable=True),
        Column("elements", pa.int64(), "number of its elements"),
        Column(
            "squared_gradient",
            pa.float64(),
            "mean over sequences of the sum over elements of (∂L/∂θ)² in the first model; L: mean cross-entropy of the "
            "sequence's tokens after the first, in nats",
        ),
        Column("squared_shift", pa.float64(), "sum over elements of (second model − first model)²"),
    ]
)


def write(models: Sequence[StreamedModel], texts: Sequence[Text], room: Room, out: Path) -> None:
    """Measure the first model's Fisher information and the second's distance; write them as Parquet, schema SCHEMA."""
    first, second = models
    rows = [
        {
            "tensor": name,
            "layer": layer_of(name),
            "elements": first.place(name).elements,
            "squared_gradient": value,
            "squared_shift": squared_shift(first, second, name),
        }
        for name, value in sorted(measure(first, len(texts), room).items())
    ]
    write_table(table_of(rows, SCHEMA), out)


def measure(model: StreamedModel, sequences: int, room: Room) -> dict[str, float]:
    """Measure the Fisher information of a model.

    Args:
        model: The model.
        sequences: How many sequences of random tokens it reads.
        room: Where every layer's inputs are kept.

    Returns:
        By tensor name, the mean over sequences of the sum over elements of the squared gradient.

    Raises:
        UserError: A value is NaN or infinite; names the tensor.
    """
    from l2s.calibration.backward import measure_gradients

    texts = random_texts(sequences, model.vocabulary)
    sums = measure_gradients(model, texts, room, "squared gradient", lambda _, gradient: gradient.square_())
    return {name: total / sequences for name, total in sums.items()}


def random_texts(count: int, vocabulary: int) -> list[Text]:
    """Return sequences of random tokens, all of whose tokens but the first are to be predicted."""
    import torch

    from l2s.calibration.texts import Text

    generator = torch.Generator().manual_seed(SEED)
    drawn = torch.randint(vocabulary, (count, SEQUENCE_TOKENS), generator=generator)
    return [Text(f"random {number}", ids, answer_start=1, cut=False) for number, ids in enumerate(drawn)]


def squared_shift(first: StreamedModel, second: StreamedModel, name: str) -> float:
    """Return the sum over a tensor's elements of (second − first)².

    Raises:
        UserError: The tensor has another size in the second model, or is not in it.
    """
    import torch

    ours, theirs = first.place(name), second.place(name)
    if ours.shape != theirs.shape:
        shapes = f"{ours.shape} in {first.folder} and {theirs.shape} in {second.folder}"
        raise UserError(f"tensor '{name}' has shape {shapes}; the Fisher information needs models of equal shapes")
    total = 0.0
    buffers = [torch.empty(min(PIECE_ELEMENTS, ours.elements), device=first.device) for _ in range(2)]
    for start in range(0, ours.elements, PIECE_ELEMENTS):
        left, right = (buffer[: ours.elements - start] for buffer in buffers)
        first.read(ours, start, left)
        second.read(theirs, start, right)
        total += float(right.sub_(left).double().square().sum())
    return total
