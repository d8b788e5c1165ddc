"""Logit distances: how far apart two models are on calibration data, ‖f(x) − g(x)‖² (Sens-Merging, arXiv 2502.12420).

f is the row of logits that predicts a token of the answer; the squared distances are averaged over these tokens within
a text. That is our reading: the paper's own text was not at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from l2s.contracts.parquet import Column, schema_of, table_of, write_table
from l2s.errors import UserError
from l2s.progress import Progress

if TYPE_CHECKING:
    import torch

    from l2s.calibration.hidden_states import Room
    from l2s.calibration.streamed import StreamedModel
    from l2s.calibration.texts import Text

MODELS = 2
SUFFIX = ".parquet"
SCHEMA = schema_of(
    [
        Column("row_id", pa.string(), "the row, as in the calibration data; twice where both answers are read"),
        Column("tokens", pa.int32(), "number of its answer tokens"),
        Column(
            "distance", pa.float64(), "mean over its answer tokens of the squared Euclidean distance of the two logits"
        ),
    ]
)


def write(models: Sequence[StreamedModel], texts: Sequence[Text], room: Room, out: Path) -> None:
    """Measure the distance of two models and write it as Parquet, schema SCHEMA."""
    first, second = models
    rows = [
        {"row_id": text.row_id, "tokens": text.answer_tokens, "distance": distance}
        for text, distance in zip(texts, measure(first, second, texts, room), strict=True)
    ]
    write_table(table_of(rows, SCHEMA), out)


def measure(first: StreamedModel, second: StreamedModel, texts: Sequence[Text], room: Room) -> list[float]:
    """Measure the distance of two models.

    Args:
        first: A model.
        second: Another one, with the same vocabulary.
        texts: The texts, as both models read them.
        room: Only its budget counts: one layer's inputs at a time are held, in memory.

    Returns:
        For each text the mean over its answer tokens.

    Raises:
        UserError: The vocabularies differ in size.
    """
    from l2s.calibration.forward import FLOAT_BYTES, check_finite
    from l2s.calibration.hidden_states import groups
    from l2s.calibration.vocabulary import squared_distances

    if first.vocabulary != second.vocabulary:
        raise UserError(
            f"{first.folder} has {first.vocabulary} output rows and {second.folder} {second.vocabulary}; logit "
            "distances need the same vocabulary"
        )
    work = (first.layers + second.layers) * sum(len(text.ids) for text in texts)
    progress = Progress("logit distances", work, "tokens × layers")
    distances = []
    for group in groups(texts, 2 * max(first.hidden, second.hidden) * FLOAT_BYTES, room.budget):
        states = [_normed(model, group, progress) for model in (first, second)]
        for text, total in zip(group, squared_distances(first, second, list(zip(*states, strict=True))), strict=True):
            check_finite(second, text, total)
            distances.append(float(total.mean()))
    return distances


def _normed(model: StreamedModel, group: Sequence[Text], progress: Progress) -> list[torch.Tensor]:
    import torch

    from l2s.calibration.forward import predicting_states, run_layers

    finals = run_layers(model, group, progress)
    with torch.no_grad():
        return [model.norm(predicting_states(text, states)) for text, states in zip(group, finals, strict=True)]
