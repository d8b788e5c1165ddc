"""Which checkpoints are decoded ahead: jobs fill the response store, and the decode job finds everything there.

So several jobs can share a checkpoint's questions (``replicas``), on one machine or on the nodes of a cluster, and one
job can decode several checkpoints with one engine (``checkpoints_per_engine``). What makes a response stale stays as it
is: it goes by its checkpoint and settings, whichever job decoded it.
"""

from collections.abc import Hashable, Iterable
from typing import NamedTuple

from l2s.decoding.settings import DecodingEntry
from l2s.decoding.share import Share

DECODE, AHEAD = "decode", "decode_ahead"
"""The rules that decode."""

Asked = tuple[str, str]
"""Checkpoint and decode settings."""


class Ahead(NamedTuple):
    """The jobs that decode some checkpoints ahead.

    Attributes:
        checkpoints: The checkpoints, which each of the jobs decodes one after the other; the first names the jobs.
        shares: How many jobs there are, each for its share of the questions.
    """

    checkpoints: tuple[str, ...]
    shares: int

    @property
    def names(self) -> list[str]:
        """The shares, as files are named after them."""
        return [str(Share(number, self.shares)) for number in range(1, self.shares + 1)]


def is_shared(settings: DecodingEntry) -> bool:
    """Say whether jobs share checkpoints, or checkpoints an engine."""
    return settings.replicas > 1 or settings.checkpoints_per_engine > 1


def groups(decodes: Iterable[tuple[Asked, DecodingEntry, Hashable]]) -> dict[Asked, Ahead]:
    """Return who is decoded ahead; checkpoints that a decode job simply decodes are left out.

    Args:
        decodes: What is asked, with its settings; and a key that is the same for what one engine can decode.
    """
    alike: dict[Hashable, list[tuple[Asked, DecodingEntry]]] = {}
    for asked, settings, key in decodes:
        alike.setdefault(key, []).append((asked, settings))
    served: dict[Asked, Ahead] = {}
    for together in alike.values():
        _, settings = together[0]
        size = settings.checkpoints_per_engine
        for first in range(0, len(together), size):
            part = [asked for asked, _ in together[first : first + size]]
            if len(part) > 1 or settings.replicas > 1:
                served |= dict.fromkeys(part, Ahead(tuple(checkpoint for checkpoint, _ in part), settings.replicas))
    return served
