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
        device: The kind of device that it ran on.
        nbytes: Bytes of the weights as they were decoded.
        tokens_per_second: Of all responses together.
        length: Mean tokens of a response.
    """

    role: str
    device: str
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
    if not (tokens and seconds and count):
        return None
    return Decoded(role, said.get("engine", {}).get("device", "?"), nbytes, tokens / seconds, tokens / count)


def speed_of(done: list[Decoded], nbytes: int) -> float | None:
    """Return the tokens a second of a checkpoint of another size, half of it being twice as fast; None if unknown.

    Only jobs on the kind of device count that most of them ran on.
    """
    device = device_of(done)
    rates = [one.tokens_per_second * one.nbytes for one in done if one.device == device]
    return median(rates) / nbytes if rates and nbytes else None


def device_of(done: list[Decoded]) -> str | None:
    """Return the kind of device that most of the jobs ran on; None if there are none."""
    devices = [one.device for one in done]
    return max(devices, key=devices.count, default=None)


def length_of(done: list[Decoded], role: str) -> float | None:
    """Return the mean tokens of a response of checkpoints in a role; None if unknown."""
    lengths = [one.length for one in done if one.role == role]
    return fmean(lengths) if lengths else None
