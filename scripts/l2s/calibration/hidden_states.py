"""Hidden states that wait for the backward pass, in memory or on disk, and the groups of texts that they bound."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch

from l2s.calibration.texts import Text
from l2s.errors import UserError


class Room(NamedTuple):
    """Where hidden states are kept, and how much room they have.

    Attributes:
        budget: Bytes that the states of a group of texts may take.
        scratch: Folder to keep them in as raw files: made anew, and removed at the end; None keeps them in memory.
    """

    budget: int
    scratch: Path | None = None


class HiddenStates:
    """Keeps float32 [tokens, hidden] tensors by (layer, text); a context manager that removes its files."""

    def __init__(self, scratch: Path | None) -> None:
        self.scratch = scratch
        self.held: dict[tuple[int, int], torch.Tensor] = {}

    def __enter__(self) -> Self:
        if self.scratch:
            shutil.rmtree(self.scratch, ignore_errors=True)  # left behind by a killed job
            self.scratch.mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self.scratch:
            shutil.rmtree(self.scratch)

    def put(self, layer: int, text: int, states: torch.Tensor) -> None:
        """Keep a tensor."""
        states = states.detach().cpu()
        if self.scratch is None:
            self.held[layer, text] = states
        else:
            states.numpy().tofile(self._file(layer, text))

    def take(self, layer: int, text: int, shape: tuple[int, int]) -> torch.Tensor:
        """Return a tensor and keep it no longer."""
        if self.scratch is None:
            return self.held.pop((layer, text))
        file = self._file(layer, text)
        states = torch.from_numpy(np.fromfile(file, dtype=np.float32).reshape(shape))
        file.unlink()
        return states

    def _file(self, layer: int, text: int) -> Path:
        return self.scratch / f"{layer}-{text}.f32"


def groups(texts: Sequence[Text], bytes_per_token: int, budget: int) -> list[list[Text]]:
    """Split texts, in order, into groups whose kept states stay within a budget in bytes.

    Raises:
        UserError: One text alone takes more.
    """
    parts: list[list[Text]] = []
    room = 0
    for text in texts:
        need = len(text.ids) * bytes_per_token
        if need > budget:
            raise UserError(
                f"calibration row {text.row_id}: its states take {need / 1e9:.2f} GB, more than the budget of "
                f"{budget / 1e9:.2f} GB; raise the budget or lower 'max_tokens'"
            )
        if need > room or not parts:
            parts.append([])
            room = budget
        parts[-1].append(text)
        room -= need
    return parts
