"""Sensitivities: Σ |θ · ∂L/∂θ| per tensor, summed over texts (Sens-Merging, arXiv 2502.12420).

L is the mean cross-entropy of one text's answer tokens.

DEVIATES: the released code runs in float16 on CUDA; here everything is float32. It also holds the whole model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from l2s.checkpoints.tensor_names import layer_of
from l2s.contracts.parquet import Column, schema_of, table_of, write_table

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
    from l2s.calibration.backward import measure_gradients

    return measure_gradients(model, texts, room, "sensitivity", lambda weight, gradient: gradient.mul_(weight).abs_())
