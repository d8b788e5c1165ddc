"""What earlier decode jobs of a results folder have measured: how fast they were, and how long responses are."""

from pathlib import Path
from statistics import fmean, median
from typing import NamedTuple

from l2s.errors import UserError
from l2s.files import read_json


class Decoded(NamedTuple):
    """A decode job that is done.

    Attributes:
        role: What its checkpoint is.
        nbytes: Bytes of the weights as they were decoded.
        tokens_per_second: Of all responses together.
        length: Mean tokens of a response.
    """

    role: str
    nbytes: int
    tokens_per_second: float
    length: float


def read_decoded(sidecar: Path, role: str, nbytes: int) -> Decoded | None:
    """Return what the sidecar of responses tells; None if there is none, or if everything came from the store."""
    try:
        said = read_json(sidecar, "decode again") if sidecar.is_file() else {}
    except UserError:
        return None
    tokens, seconds, count = (said.get(key) for key in ("output_tokens", "decode_seconds", "decoded_now"))
    return Decoded(role, nbytes, tokens / seconds, tokens / count) if tokens and seconds and count else None


def speed_of(done: list[Decoded], nbytes: int) -> float | None:
    """Return the tokens a second of a checkpoint of another size, half of it being twice as fast; None if unknown."""
    rates = [one.tokens_per_second * one.nbytes for one in done]
    return median(rates) / nbytes if rates and nbytes else None


def length_of(done: list[Decoded], role: str) -> float | None:
    """Return the mean tokens of a response of checkpoints in a role; None if unknown."""
    lengths = [one.length for one in done if one.role == role]
    return fmean(lengths) if lengths else None
