"""What an engine is to a decode job."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from l2s.decoding.stopping import Stops


class Request(NamedTuple):
    """One response to be generated.

    Attributes:
        key: Identifies the request; also the address of its random stream.
        prompt_ids: Token ids of the prompt.
        budget: Tokens that may be generated, at least 1.
        cut_reason: The finish reason if the budget runs out: ``length`` or ``context_length``.
    """

    key: str
    prompt_ids: tuple[int, ...]
    budget: int
    cut_reason: str

    def stream(self, seed: int) -> bytes:
        """Return the 16 bytes that its random stream starts from."""
        return hashlib.sha256(f"{seed}/{self.key}".encode()).digest()[:16]


class Completion(NamedTuple):
    """What came of a request: its token ids (a stop token, or those of a stop string, included), finish reason."""

    key: str
    output_ids: tuple[int, ...]
    finish_reason: str


Heard = Callable[[int, int], None]


class Engine(Protocol):
    """A started engine: a model on a device."""

    def take(self, folder: Path, stops: Stops) -> None:
        """Take the weights of another checkpoint of the same shape, and what ends its responses, for ``decode``."""

    def facts(self) -> dict[str, Any]:
        """Return what the sidecar should say of it: versions, and as ``device`` the kind of device."""

    def decode(self, batches: list[list[Request]], heard: Heard) -> Iterator[list[Completion]]:
        """Decode batches, yielding each one's completions as it ends, in any order.

        Args:
            batches: The requests.
            heard: Called as tokens come, with how many came and how many responses ended with them.
        """
