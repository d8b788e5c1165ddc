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
    speeds: tuple[Speed, ...] = Field(min_length=1, description="of a job on GPUs, by size, ascending")
    cpu_start_seconds: float = Field(ge=0, description="the same as start_seconds, of a job on the CPU")
    cpu_speeds: tuple[Speed, ...] = Field(min_length=1, description="the same as speeds, of each thread on a CPU")
    job_start_seconds: float = Field(ge=0, description="what a job that generates nothing takes to start")
    seconds: dict[str, float] = Field(
        description="beside its start, of jobs that generate nothing, by rule or <rule>/<method>, for each unit of "
        "their work: 10^9 bytes of a model in bfloat16 (fetch_model, merge, calibrate, train, measure_spectra), 1,000 "
        "responses (grade), a job (others)"
    )
    lengths: dict[str, dict[Role, float]] = Field(description="mean tokens of a response by benchmark and role")

    @field_validator("speeds", "cpu_speeds")
    @classmethod
    def _ascending(cls, speeds: tuple[Speed, ...]) -> tuple[Speed, ...]:
        if list(speeds) != sorted(speeds, key=lambda speed: speed.up_to_gb):
            raise ValueError("speeds must be sorted by 'up_to_gb'")
        return speeds

    @field_validator("seconds")
    @classmethod
    def _has_others(cls, seconds: dict[str, float]) -> dict[str, float]:
        if OTHERS not in seconds or min(seconds.values()) < 0:
            raise ValueError(f"'seconds' needs a line '{OTHERS}', and numbers from 0 on")
        return seconds

    @field_validator("lengths")
    @classmethod
    def _complete(cls, lengths: dict[str, dict[Role, float]]) -> dict[str, dict[Role, float]]:
        if OTHERS not in lengths or any(len(roles) < 3 for roles in lengths.values()):
            raise ValueError(f"'lengths' needs quick, merged and slow for every benchmark, and a line '{OTHERS}'")
        return lengths

    def length(self, benchmark: str, role: Role) -> float | None:
        """Return the mean tokens of a response to a benchmark that the table names; None for others."""
        return self.lengths[benchmark][role] if benchmark in self.lengths else None

    def expected(self, benchmark: str, role: Role) -> float:
        """Return the mean tokens of a response to any benchmark."""
        return self.length(benchmark, role) or self.lengths[OTHERS][role]

    def tokens(self, role: Role, questions: Mapping[str, int], budget: int) -> float:
        """Estimate the tokens that are generated.

        Args:
            role: What the checkpoint is.
            questions: Responses to decode, by benchmark.
            budget: Tokens that a response may have, at most.
        """
        return sum(count * min(self.expected(name, role), budget) for name, count in questions.items())

    def tokens_per_second(self, nbytes: int, cpu_threads: int = 0) -> float:
        """Estimate the speed of a decode job.

        Args:
            nbytes: Bytes of the checkpoint's weights as they are decoded.
            cpu_threads: Threads of a job on the CPU; 0: it runs on GPUs.
        """
        speeds = self.cpu_speeds if cpu_threads else self.speeds
        fitting = [speed for speed in speeds if nbytes <= speed.up_to_gb * 1e9]
        return (fitting[0] if fitting else speeds[-1]).tokens_per_second * max(cpu_threads, 1)
