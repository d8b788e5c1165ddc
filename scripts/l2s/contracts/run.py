"""The schema of ``run/run.json``: when a run was, on what, what its jobs took, and which assumptions reach it."""

from pydantic import Field

from l2s.config import StrictModel


class RuleTime(StrictModel):
    """What the jobs of a rule took together, those of earlier runs whose results are still there included."""

    jobs: int
    seconds: float = Field(description="from start to end, summed over the jobs")
    gpu_seconds: float = Field(description="the same, times the GPUs that each had")
    peak_mb: float | None = Field(None, description="largest resident memory of a job, in MB; null: not measured")


class ReachedBy(StrictModel):
    """An assumption that reaches a line of the run."""

    silent: str
    choice: str
    alternatives: tuple[str, ...]
    study: str | None
    numbers: int = Field(description="numbers of the paper that depend on it, for the run's pairs and methods")


class Run(StrictModel):
    """A run, as it was at its end."""

    succeeded: bool
    started: str | None = Field(None, description="when the first job began whose results are there, ISO 8601 in UTC")
    ended: str | None = Field(None, description="when the last one ended")
    machine: dict[str, str] = Field(description="on which the run was started")
    code: dict[str, str] = Field(description="digest of rules and scripts, and the commit where there is one")
    rules: dict[str, RuleTime]
    assumptions: dict[str, ReachedBy]
