"""What the experiment's decode jobs are expected to cost, from sizes and row counts that the entries state."""

from l2s.decoding.settings import Role
from l2s.experiment.experiment import Experiment
from l2s.plan.estimates import Estimates
from l2s.plan.schedule import Job


class Costs:
    """Estimates for an experiment.

    Args:
        experiment: The experiment.
        estimates: The table of speeds and lengths.
    """

    def __init__(self, experiment: Experiment, estimates: Estimates) -> None:
        self.experiment, self.estimates = experiment, estimates

    def responses(self, checkpoint: str, decoding: str) -> dict[str, int]:
        """Return how many responses are asked of a checkpoint, by benchmark."""
        repeats = self.experiment.registry.decoding(decoding).sampling.samples
        benchmarks = map(self.experiment.registry.benchmark, names := self.experiment.asked[checkpoint, decoding])
        return {
            name: repeats * min(entry.rows, entry.first or entry.rows)
            for name, entry in zip(names, benchmarks, strict=True)
        }

    def decode_seconds(self, checkpoint: str, decoding: str) -> float:
        """Return how long a decode job is expected to take, if nothing of it is in the store."""
        settings = self.experiment.decoding_of(checkpoint, decoding)
        # What a checkpoint is in several pairs takes as long as the slowest of it.
        roles = self.experiment.roles[checkpoint]
        role = next(role for role in (Role.SLOW, Role.MERGED, Role.QUICK) if role in roles)
        size = settings.weight_bytes(self.experiment.elements(checkpoint) or 0)
        asked = self.responses(checkpoint, decoding)
        return self.estimates.decode_seconds(role.value, size, asked, settings.max_new_tokens)

    def decode_minutes(self, checkpoint: str, decoding: str) -> int:
        """Return the time limit of a decode job in minutes: four times what is expected, and half an hour."""
        return 30 + round(4 * self.decode_seconds(checkpoint, decoding) / 60)

    def decode_memory(self, checkpoint: str, decoding: str, elements: int) -> int:
        """Return the memory of a decode job in MB: weights on their way to the engine, and 8 GB for each process.

        Args:
            checkpoint: The checkpoint.
            decoding: The decode settings.
            elements: How many numbers the checkpoint's weights are.
        """
        settings = self.experiment.decoding_of(checkpoint, decoding)
        return 8000 * max(1, settings.gpus) + round(1.25 * settings.weight_bytes(elements) / 1e6)

    def job(self, checkpoint: str, decoding: str) -> Job:
        """Return the estimate of a decode job."""
        return Job(self.decode_seconds(checkpoint, decoding), self.experiment.decoding_of(checkpoint, decoding).gpus)

    def seconds_after(self, checkpoint: str) -> float:
        """Return how long the longest decode job takes that waits for a checkpoint; 0 if none does."""
        jobs = [decoding for name, decoding in self.experiment.asked if name == checkpoint]
        return max((self.decode_seconds(checkpoint, decoding) for decoding in jobs), default=0.0)
