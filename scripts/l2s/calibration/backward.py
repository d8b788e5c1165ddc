"""The backward pass, a layer at a time over a group of texts: a measure of every tensor's gradients.

The forward pass keeps every layer's inputs; the backward pass walks the layers in reverse, runs each again over the
kept inputs and takes the gradients of its weights, one text at a time, so that the weights and gradients of one layer
are all that is in memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from math import isfinite

import torch

from l2s.calibration.forward import FLOAT_BYTES, check_finite, predicting_states, run_layers
from l2s.calibration.hidden_states import HiddenStates, Room, groups
from l2s.calibration.streamed import NORM, StreamedModel
from l2s.calibration.texts import Text
from l2s.calibration.vocabulary import Targets, measure_loss, state_gradients
from l2s.checkpoints.tensor_names import EMBEDDING
from l2s.errors import UserError
from l2s.progress import Progress

Measure = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def measure_gradients(
    model: StreamedModel, texts: Sequence[Text], room: Room, what: str, measure: Measure
) -> dict[str, float]:
    """Measure the gradients of every tensor on every text.

    Args:
        model: The model.
        texts: The texts; the loss is the mean cross-entropy of one text's answer tokens, in nats.
        room: Where every layer's inputs are kept.
        what: What progress and errors call the measure.
        measure: As for ``Backward``.

    Returns:
        By tensor name, the sum over texts and elements. Tied embeddings count once, both uses in one gradient.

    Raises:
        UserError: A value is NaN or infinite; names the text or the tensor.
    """
    # Every layer's inputs, and the running state and gradient.
    bytes_per_token = (model.layers + 2) * model.hidden * FLOAT_BYTES
    progress = Progress(what, 2 * model.layers * sum(len(text.ids) for text in texts), "tokens × layers")
    with HiddenStates(room.scratch) as kept:
        backward = Backward(model, kept, measure)
        for group in groups(texts, bytes_per_token, room.budget):
            backward.run(group, progress)
    for name, value in backward.sums.items():
        if not isfinite(value):
            raise UserError(f"{model.folder}: the {what} of tensor '{name}' is {value}; fetch the model again")
    return dict(backward.sums)


class Backward:
    """The backward pass over groups of texts.

    Args:
        model: The model.
        kept: Where every layer's inputs are kept.
        measure: Returns of a weight and its gradient, float32 of one shape, what is added up; it may overwrite the
            gradient.

    Attributes:
        sums: By tensor name, the sum over texts and elements so far.
    """

    def __init__(self, model: StreamedModel, kept: HiddenStates, measure: Measure) -> None:
        self.model, self.kept, self.measure = model, kept, measure
        self.sums: dict[str, float] = defaultdict(float)

    def run(self, group: Sequence[Text], progress: Progress) -> None:
        """Add what is measured on a group of texts."""
        finals = run_layers(self.model, group, progress, self.kept)
        normed = [self._norm(text, states) for text, states in zip(group, finals, strict=True)]
        targets = [Targets(out, text.ids[text.answer_start :]) for text, (_, out) in zip(group, normed, strict=True)]
        measure_loss(self.model, targets)
        gradients = [
            self._through_norm(states, out, gradient)
            for (states, out), gradient in zip(normed, state_gradients(self.model, targets), strict=True)
        ]
        for text, target in zip(group, targets, strict=True):
            check_finite(self.model, text, target.loss)
        for layer in reversed(range(self.model.layers)):
            self._through_layer(layer, group, gradients, progress)
        self._count_vocabulary(group, targets, gradients)

    def _norm(self, text: Text, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        states = states.requires_grad_()
        return states, self.model.norm(predicting_states(text, states))

    def _through_norm(self, states: torch.Tensor, out: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        weight = self.model.norm.weight
        into, of_weight = torch.autograd.grad(out, [states, weight], gradient)
        self._count(f"{NORM}.weight", weight, of_weight)
        return into

    def _through_layer(
        self, layer: int, group: Sequence[Text], gradients: list[torch.Tensor], progress: Progress
    ) -> None:
        """Replace each text's gradient by that at the layer's input, and count the layer's weights."""
        model = self.model
        model.load_layer(layer)
        names, weights = zip(*model.layer.named_parameters(), strict=True)
        for number, text in enumerate(group):
            kept = self.kept.take(layer, number, (len(text.ids), model.hidden))
            states = kept.to(model.device).requires_grad_()
            out = model.run_layer(states)
            gradients[number], *of_weights = torch.autograd.grad(out, [states, *weights], gradients[number])
            for name, weight, gradient in zip(names, weights, of_weights, strict=True):
                self._count(f"model.layers.{layer}.{name}", weight, gradient)
            progress.add(len(text.ids))

    def _count_vocabulary(
        self, group: Sequence[Text], targets: Sequence[Targets], gradients: Sequence[torch.Tensor]
    ) -> None:
        """Count the output layer and the embedding rows; where they are one tensor, its gradient has both parts."""
        model, tied = self.model, self.model.head == EMBEDDING
        used = [
            _rows(text.ids.to(model.device), gradient * model.embedding_scale)
            for text, gradient in zip(group, gradients, strict=True)
        ]
        for first, rows in model.head_chunks():
            for target, (ids, of_rows) in zip(targets, used, strict=True):
                gradient = target.logit_gradient(first, rows).T @ target.states
                if tied:
                    here = (ids >= first) & (ids < first + len(rows))
                    gradient[ids[here] - first] += of_rows[here]
                self._count(model.head, rows, gradient)
        if not tied:
            for ids, of_rows in used:
                self._count(EMBEDDING, model.embedding_rows(ids.cpu()), of_rows)

    def _count(self, name: str, weight: torch.Tensor, gradient: torch.Tensor) -> None:
        self.sums[name] += float(self.measure(weight.detach(), gradient).sum(dtype=torch.float64))


def _rows(ids: torch.Tensor, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Add up a text's embedding gradient [tokens, hidden] by token: distinct ids [n], gradients [n, hidden]."""
    unique, inverse = torch.unique(ids, return_inverse=True)
    total = torch.zeros(len(unique), gradient.shape[1], device=gradient.device)
    return unique, total.index_add_(0, inverse, gradient)
