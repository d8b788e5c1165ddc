"""The backward pass, a layer at a time over a group of texts: |θ · ∂L/∂θ| of every tensor.

The forward pass keeps every layer's inputs; the backward pass walks the layers in reverse, runs each again over the
kept inputs and takes the gradients of its weights, one text at a time, so that the weights and gradients of one layer
are all that is in memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch

from l2s.calibration.forward import check_finite, predicting_states, run_layers
from l2s.calibration.hidden_states import HiddenStates
from l2s.calibration.streamed import NORM, StreamedModel
from l2s.calibration.texts import Text
from l2s.calibration.vocabulary import Targets, measure_loss, state_gradients
from l2s.checkpoints.tensor_names import EMBEDDING
from l2s.progress import Progress


class Backward:
    """The backward pass over groups of texts; ``sums`` has the sensitivities so far, by tensor name."""

    def __init__(self, model: StreamedModel, kept: HiddenStates) -> None:
        self.model, self.kept = model, kept
        self.sums: dict[str, float] = defaultdict(float)

    def run(self, group: Sequence[Text], progress: Progress) -> None:
        """Add the sensitivities of a group of texts."""
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
        used = [_rows(text.ids.to(model.device), gradient) for text, gradient in zip(group, gradients, strict=True)]
        for first, rows in model.head_chunks():
            for target, (ids, of_rows) in zip(targets, used, strict=True):
                gradient = target.logit_gradient(first, rows).T @ target.states
                if tied:
                    here = (ids >= first) & (ids < first + len(rows))
                    gradient[ids[here] - first] += of_rows[here]
                self._count(model.head, rows, gradient)
        if not tied:
            for ids, of_rows in used:
                self._count(EMBEDDING, model.embed(ids.cpu()), of_rows)

    def _count(self, name: str, weight: torch.Tensor, gradient: torch.Tensor) -> None:
        self.sums[name] += float(gradient.mul_(weight.detach()).abs_().sum(dtype=torch.float64))


def _rows(ids: torch.Tensor, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Add up a text's embedding gradient [tokens, hidden] by token: distinct ids [n], gradients [n, hidden]."""
    unique, inverse = torch.unique(ids, return_inverse=True)
    total = torch.zeros(len(unique), gradient.shape[1], device=gradient.device)
    return unique, total.index_add_(0, inverse, gradient)
