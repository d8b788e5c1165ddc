"""Logit distances: how far apart two models are on calibration data, ‖f(x) − g(x)‖² (Sens-Merging, arXiv 2502.12420).

ASSUME: f is the row of logits that predicts a token of the answer; the squared distances are averaged over these tokens
within a text. The paper's own text was not at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from l2s.calibration.forward import FLOAT_BYTES, check_finite, predicting_states, run_layers
from l2s.calibration.hidden_states import Room, groups
from l2s.calibration.streamed import StreamedModel
from l2s.calibration.texts import Text
from l2s.calibration.vocabulary import squared_distances
from l2s.contracts.calibrations import LOGIT_DISTANCES
from l2s.contracts.parquet import table_of, write_table
from l2s.errors import UserError
from l2s.progress import Progress


def write(models: Sequence[StreamedModel], texts: Sequence[Text], room: Room, out: Path) -> None:
    """Measure the distance of two models and write it as Parquet, schema LOGIT_DISTANCES."""
    first, second = models
    rows = [
        {"row_id": text.row_id, "tokens": text.answer_tokens, "distance": distance}
        for text, distance in zip(texts, measure(first, second, texts, room), strict=True)
    ]
    write_table(table_of(rows, LOGIT_DISTANCES), out)


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
    finals = run_layers(model, group, progress)
    with torch.no_grad():
        return [model.norm(predicting_states(text, states)) for text, states in zip(group, finals, strict=True)]
