"""Sensitivities: Σ |θ · ∂L/∂θ| per tensor, summed over texts (Sens-Merging, arXiv 2502.12420).

L is the mean cross-entropy of one text's answer tokens.

DEVIATES: the released code runs in float16 on CUDA; here everything is float32. It also holds the whole model.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from l2s.checkpoints.tensor_names import layer_of
from l2s.contracts.parquet import Column, schema_of, table_of, write_table
from l2s.errors import UserError
from l2s.progress import Progress

if TYPE_CHECKING:
    from l2s.calibration.hidden_states import Room
    from l2s.calibration.streamed import StreamedModel
    from l2s.calibration.texts import Text

MODELS = 1
SUFFIX = ".parquet"
SCHEMA = schema_of(
    [
        Column("tensor", pa.string(), "name of the tensor"),
        Column("layer", pa.int32(), "number of its decoder layer; null outside the layers", nullable=True),
        Column("elements", pa.int64(), "number of its elements"),
        Column(
            "sensitivity",
            pa.float64(),
            "sum over rows and elements of |θ · ∂L/∂θ|; L: mean cross-entropy of a row's answer tokens, in nats",
        ),
    ]
)


def write(models: Sequence[StreamedModel], texts: Sequence[Text], room: Room, out: Path) -> None:
    """Measure the sensitivities of a model and write them as Parquet, schema SCHEMA."""
    (model,) = models
    places = model.reader.places
    rows = [
        {"tensor": tensor, "layer": layer_of(tensor), "elements": places[tensor].elements, "sensitivity": value}
        for tensor, value in sorted(measure(model, texts, room).items())
    ]
    write_table(table_of(rows, SCHEMA), out)


def measure(model: StreamedModel, texts: Sequence[Text], room: Room) -> dict[str, float]:
    """Measure the sensitivities of a model.

    Args:
        model: The model.
        texts: The texts.
        room: Where every layer's inputs are kept.

    Returns:
        By tensor name, the sum over texts and elements of |θ · ∂L/∂θ|. Tied embeddings count once, both uses in one
        gradient.

    Raises:
        UserError: A value is NaN or infinite; names the text or the tensor.
    """
    from l2s.calibration.backward import Backward
    from l2s.calibration.forward import FLOAT_BYTES
    from l2s.calibration.hidden_states import HiddenStates, groups

    # Every layer's inputs, and the running state and gradient.
    bytes_per_token = (model.layers + 2) * model.hidden * FLOAT_BYTES
    total = 2 * model.layers * sum(len(text.ids) for text in texts)
    progress = Progress("sensitivities", total, "tokens × layers")
    with HiddenStates(room.scratch) as kept:
        backward = Backward(model, kept)
        for group in groups(texts, bytes_per_token, room.budget):
            backward.run(group, progress)
    for name, value in backward.sums.items():
        if not isfinite(value):
            raise UserError(f"{model.folder}: the sensitivity of tensor '{name}' is {value}; fetch the model again")
    return dict(backward.sums)
