"""Activations: the mean absolute input per channel of every linear layer and norm, over the tokens of all texts.

This is the channel importance that AIM uses (arXiv 2502.02421, after AWQ, arXiv 2306.00978).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from l2s.checkpoints.tensor_names import HEAD
from l2s.files import atomic_path
from l2s.progress import Progress

if TYPE_CHECKING:
    import torch

    from l2s.calibration.hidden_states import Room
    from l2s.calibration.streamed import StreamedModel
    from l2s.calibration.texts import Text

MODELS = 1
SUFFIX = ".safetensors"


class ChannelSums:
    """Sums of absolute inputs by weight name, float64 [channels], on the model's device."""

    def __init__(self) -> None:
        self.sums: dict[str, torch.Tensor] = {}
        self.rows: dict[str, int] = defaultdict(int)
        self.prefix = ""

    def watch(self, layer: torch.nn.Module) -> None:
        """Add what enters each linear layer and norm of a decoder layer, from now on."""
        for name, module in layer.named_modules():
            weight = module._parameters.get("weight")
            if weight is not None and weight.dim() <= 2:
                module.register_forward_pre_hook(
                    lambda _, inputs, name=name: self.add(f"{self.prefix}.{name}.weight", inputs[0])
                )

    def add(self, weight: str, inputs: torch.Tensor) -> None:
        """Add inputs [..., channels] of the module that has this weight."""
        import torch

        rows = inputs.reshape(-1, inputs.shape[-1])
        total = rows.abs().sum(dim=0, dtype=torch.float64)
        self.sums[weight] = self.sums[weight] + total if weight in self.sums else total
        self.rows[weight] += len(rows)

    def means(self) -> dict[str, torch.Tensor]:
        """Return the means by weight name, float32 [channels], on the CPU."""
        return {name: (total / self.rows[name]).float().cpu() for name, total in sorted(self.sums.items())}


def write(models: Sequence[StreamedModel], texts: Sequence[Text], room: Room, out: Path) -> None:
    """Measure the activations of a model and write them as safetensors, see ``measure``."""
    from safetensors.torch import save_file

    (model,) = models
    means = measure(model, texts, room)
    with atomic_path(out) as partial:
        save_file(means, partial)


def measure(model: StreamedModel, texts: Sequence[Text], room: Room) -> dict[str, torch.Tensor]:
    """Measure the activations of a model.

    Args:
        model: The model.
        texts: The texts.
        room: Only its budget counts: one layer's inputs at a time are held, in memory.

    Returns:
        By weight name (``model.layers.0.mlp.down_proj.weight``, …, ``lm_head.weight``, the last also where the
        embedding stands in for it), float32 [input channels].
    """
    import torch

    from l2s.calibration.forward import FLOAT_BYTES, run_layers
    from l2s.calibration.hidden_states import groups
    from l2s.calibration.streamed import NORM

    sums = ChannelSums()
    sums.watch(model.layer)

    def observe(layer: int, _: Text) -> None:
        sums.prefix = f"model.layers.{layer}"

    progress = Progress("activations", model.layers * sum(len(text.ids) for text in texts), "tokens × layers")
    for group in groups(texts, model.hidden * FLOAT_BYTES, room.budget):
        for states in run_layers(model, group, progress, observe=observe):
            sums.add(f"{NORM}.weight", states)
            with torch.no_grad():
                sums.add(HEAD, model.norm(states))
    return sums.means()
