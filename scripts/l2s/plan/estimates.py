"""Estimates of decode jobs, from a documented table of speeds and lengths (``config/estimates.yaml``).

They order jobs (the longest first, so that several GPUs finish together) and fill the plan; no result depends on them.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, field_validator

from l2s.config import StrictModel

Role = Literal["quick", "merged", "slow"]
OTHERS = "others"


class Speed(StrictModel):
    """How fast a checkpoint of at most this size decodes."""

    up_to_gb: float = Field(gt=0, description="size of the checkpoint as it is decoded, in 10^9 bytes, at most")
    tokens_per_second: float = Field(gt=0, description="tokens of all responses together, of one decode job")


class Estimates(StrictModel):
    """The table of assumptions."""

    price_per_gpu_hour: float = Field(ge=0, description="US dollars")
    start_seconds: float = Field(ge=0, description="from starting an engine to its first token")
    download_mb_per_second: float = Field(gt=0, description="from the hub")
    speeds: tuple[Speed, ...] = Field(min_length=1, description="by size, ascending")
    lengths: dict[str, dict[Role, float]] = Field(description="mean tokens of a response by benchmark and role")

    @field_validator("speeds")
    @classmethod
    def _ascending(cls, speeds: tuple[Speed, ...]) -> tuple[Speed, ...]:
        if list(speeds) != sorted(speeds, key=lambda speed: speed.up_to_gb):
            raise ValueError("'speeds' must be sorted by 'up_to_gb'")
        return speeds

    @field_validator("lengths")
    @classmethod
    def _complete(cls, lengths: dict[str, dict[Role, float]]) -> dict[str, dict[Role, float]]:
        if OTHERS not in lengths or any(len(roles) < 3 for roles in lengths.values()):
            raise ValueError(f"'lengths' needs quick, merged and slow for every benchmark, and a line '{OTHERS}'")
        return lengths

    def decode_seconds(self, role: Role, nbytes: int, questions: Mapping[str, int], budget: int) -> float:
        """Estimate a decode job.

        Args:
            role: What the checkpoint is.
            nbytes: Bytes of its weights as they are decoded.
            questions: Responses to decode, by benchmark.
            budget: Tokens that a response may have, at most.

        Returns:
            Seconds, the engine's start included.
        """
        lengths = {name: self.lengths.get(name, self.lengths[OTHERS])[role] for name in questions}
        tokens = sum(count * min(lengths[name], budget) for name, count in questions.items())
        fitting = [speed for speed in self.speeds if nbytes <= speed.up_to_gb * 1e9]
        speed = fitting[0] if fitting else self.speeds[-1]
        return self.start_seconds + tokens / speed.tokens_per_second
