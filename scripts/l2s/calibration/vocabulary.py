"""The output layer in pieces of the vocabulary: loss, gradients and distances without holding all of its weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from l2s.calibration.streamed import StreamedModel


class Targets:
    """The answer tokens of one text, and what predicts them.

    Attributes:
        states: Normed hidden states, float32 [n, hidden].
        ids: int64 [n], the tokens to predict.
        log_total: float32 [n], logarithm of the sum of exponentials of each row of logits.
        at_target: float32 [n], the logit of the token to predict.
    """

    def __init__(self, states: torch.Tensor, ids: torch.Tensor) -> None:
        self.states, self.ids = states.detach(), ids.to(states.device)
        self.log_total = torch.full((len(ids),), -torch.inf, device=states.device)
        self.at_target = torch.zeros(len(ids), device=states.device)

    @property
    def loss(self) -> torch.Tensor:
        """The mean cross-entropy of the tokens, in nats."""
        return (self.log_total - self.at_target).mean()

    def logit_gradient(self, first: int, rows: torch.Tensor) -> torch.Tensor:
        """Return ∂loss/∂logits for a piece of the vocabulary, float32 [n, rows]."""
        gradient = (self.states @ rows.T).sub_(self.log_total[:, None]).exp_()
        here, column = _inside(self.ids, first, len(rows))
        gradient[here, column] -= 1
        return gradient.div_(len(self.ids))


def measure_loss(model: StreamedModel, group: Sequence[Targets]) -> None:
    """Fill in ``log_total`` and ``at_target`` of every text, in one pass over the output layer."""
    for first, rows in model.head_chunks():
        for targets in group:
            logits = targets.states @ rows.T
            targets.log_total = torch.logaddexp(targets.log_total, logits.logsumexp(dim=1))
            here, column = _inside(targets.ids, first, len(rows))
            targets.at_target[here] = logits[here, column]


def state_gradients(model: StreamedModel, group: Sequence[Targets]) -> list[torch.Tensor]:
    """Return ∂loss/∂states of every text, float32 [n, hidden], in one pass over the output layer."""
    gradients = [torch.zeros_like(targets.states) for targets in group]
    for first, rows in model.head_chunks():
        for targets, gradient in zip(group, gradients, strict=True):
            gradient.add_(targets.logit_gradient(first, rows) @ rows)
    return gradients


def squared_distances(
    first: StreamedModel, second: StreamedModel, states: Sequence[tuple[torch.Tensor, torch.Tensor]]
) -> list[torch.Tensor]:
    """Return ‖first's logits − second's‖² per row, float64 [n], for each text's two normed states [n, hidden]."""
    totals = [torch.zeros(len(ours), dtype=torch.float64, device=ours.device) for ours, _ in states]
    for (_, rows), (_, other_rows) in zip(first.head_chunks(), second.head_chunks(), strict=True):
        for total, (ours, theirs) in zip(totals, states, strict=True):
            total.add_((ours @ rows.T).sub_(theirs @ other_rows.T).square_().sum(dim=1, dtype=torch.float64))
    return totals


def _inside(ids: torch.Tensor, first: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return which tokens lie in a piece of the vocabulary, and their columns there."""
    here = ((ids >= first) & (ids < first + count)).nonzero(as_tuple=True)[0]
    return here, ids[here] - first
