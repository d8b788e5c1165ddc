"""The forward pass, a layer at a time over a group of texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from l2s.calibration.hidden_states import HiddenStates
from l2s.calibration.streamed import StreamedModel
from l2s.calibration.texts import Text
from l2s.errors import UserError
from l2s.progress import Progress

FLOAT_BYTES = 4


def run_layers(
    model: StreamedModel,
    group: Sequence[Text],
    progress: Progress,
    kept: HiddenStates | None = None,
    observe: Callable[[int, Text], None] | None = None,
) -> list[torch.Tensor]:
    """Run every layer over a group of texts.

    Args:
        model: The model.
        group: The texts.
        progress: Told of each layer's tokens.
        kept: Where each layer's inputs are kept, if they are needed again.
        observe: Called with (layer, text) just before that text passes through that layer.

    Returns:
        The hidden states of each text before the final norm, float32 [tokens, hidden].

    Raises:
        UserError: A text's states are NaN or infinite.
    """
    with torch.no_grad():
        states = [model.embed(text.ids) for text in group]
        for layer in range(model.layers):
            model.load_layer(layer)
            for number, text in enumerate(group):
                if kept:
                    kept.put(layer, number, states[number])
                if observe:
                    observe(layer, text)
                states[number] = model.run_layer(states[number])
                progress.add(len(text.ids))
    for text, final in zip(group, states, strict=True):
        check_finite(model, text, final)
    return states


def predicting_states(text: Text, states: torch.Tensor) -> torch.Tensor:
    """Return the rows of ``states`` [tokens, hidden] that predict the answer's tokens: those one before them."""
    return states[text.answer_start - 1 : -1]


def check_finite(model: StreamedModel, text: Text, values: torch.Tensor) -> None:
    """Refuse NaN and infinity, which would spread into every statistic."""
    if not values.isfinite().all():
        raise UserError(
            f"{model.folder}: calibration row {text.row_id} gives NaN or infinity; is the model damaged? fetch it again"
        )
