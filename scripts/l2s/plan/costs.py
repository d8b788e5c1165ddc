"""What the experiment's decode jobs are expected to cost, from sizes and row counts that the entries state."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

from l2s.decoding.settings import Role
from l2s.experiment.experiment import Experiment
from l2s.layout import Layout
from l2s.plan.estimates import Estimates
from l2s.plan.measured import Decoded, device_of, length_of, read_decoded, speed_of
from l2s.plan.published import PublishedLengths
from l2s.plan.schedule import Job

UNKNOWN_ELEMENTS = 7_600_000_000
"""What a model of unknown size is planned as: not as if it were tiny."""


MEASURED, PUBLISHED, ASSUMED = "measured", "published", "assumed"


class Length(NamedTuple):
    """A mean number of tokens, and where it is known from: MEASURED here, PUBLISHED of the same pair, or ASSUMED."""

    tokens: float
    source: str


class Costs:
    """Estimates for an experiment.

    Args:
        experiment: The experiment.
        estimates: The table of speeds and lengths.
        layout: The results folder whose earlier decode jobs are asked first; None: only the table counts.
    """

    def __init__(self, experiment: Experiment, estimates: Estimates, layout: Layout | None = None) -> None:
        self.experiment, self.estimates, self.layout = experiment, estimates, layout
        published = experiment.config.published
        self.published = PublishedLengths(experiment.registry.folder / "published" / published if published else None)
        self.decoded = cache(self._decoded)

    def responses(self, checkpoint: str, decoding: str) -> dict[str, int]:
        """Return how many responses are asked of a checkpoint, by benchmark."""
        repeats = self.experiment.registry.decoding(decoding).sampling.samples
        benchmarks = map(self.experiment.registry.benchmark, names := self.experiment.asked[checkpoint, decoding])
        return {
            name: repeats * min(entry.rows, entry.first or entry.rows)
            for name, entry in zip(names, benchmarks, strict=True)
        }

    def role(self, checkpoint: str) -> Role:
        """Return what a checkpoint is; what is several things in several pairs takes as long as the slowest of them."""
        roles = self.experiment.roles[checkpoint]
        return next(role for role in (Role.SLOW, Role.MERGED, Role.QUICK) if role in roles)

    def tokens(self, checkpoint: str, decoding: str) -> float:
        """Return how many tokens a decode job is expected to generate, if nothing of it is in the store."""
        budget = self.experiment.decoding_of(checkpoint, decoding).max_new_tokens
        lengths = self.lengths(checkpoint, decoding)
        return sum(
            count * min(lengths[name].tokens, budget) for name, count in self.responses(checkpoint, decoding).items()
        )

    def lengths(self, checkpoint: str, decoding: str) -> dict[str, Length]:
        """Return the expected mean length of a response by benchmark: measured here, else published, else assumed."""
        role = self.role(checkpoint).value
        measured = length_of(self.decoded(decoding), role)
        lines = self.experiment.lines_of.get(checkpoint, [])
        lengths = {}
        for name in self.experiment.asked[checkpoint, decoding]:
            published = self.published.of(lines, name)
            known = ((measured, MEASURED), (published, PUBLISHED), (self.estimates.expected(name, role), ASSUMED))
            lengths[name] = next(Length(tokens, source) for tokens, source in known if tokens is not None)
        return lengths

    def known_from(self, checkpoint: str, decoding: str) -> list[str]:
        """Say where the estimate of a decode job comes from: a phrase for its speed, one for each source of lengths."""
        device = device_of(self.decoded(decoding))
        lengths = self.lengths(checkpoint, decoding).values()
        speed = f"speed {ASSUMED}" if device is None else f"speed {MEASURED} on {device}"
        return [speed, *dict.fromkeys(f"lengths {length.source}" for length in lengths)]

    def decode_seconds(self, checkpoint: str, decoding: str) -> float:
        """Return how long a decode job is expected to take, its start included, if nothing of it is in the store."""
        return self._start_seconds(checkpoint, decoding) + self._generate_seconds(checkpoint, decoding)

    def ahead_seconds(self, checkpoint: str, decoding: str) -> float:
        """Return how long each job is expected to take that decodes a share of some checkpoints ahead."""
        checkpoints, shares = self.experiment.ahead[checkpoint, decoding]
        together = sum(self._generate_seconds(one, decoding) for one in checkpoints)
        return self._start_seconds(checkpoint, decoding) + together / shares

    def _start_seconds(self, checkpoint: str, decoding: str) -> float:
        on_gpu = self.experiment.decoding_of(checkpoint, decoding).gpus
        return self.estimates.start_seconds if on_gpu else self.estimates.cpu_start_seconds

    def _generate_seconds(self, checkpoint: str, decoding: str) -> float:
        settings, size = self.experiment.decoding_of(checkpoint, decoding), self.weight_bytes(checkpoint, decoding)
        guess = self.estimates.tokens_per_second(size, 0 if settings.gpus else settings.cpu_threads)
        return self.tokens(checkpoint, decoding) / (speed_of(self.decoded(decoding), size) or guess)

    def weight_bytes(self, checkpoint: str, decoding: str) -> int:
        """Return the bytes of a checkpoint's weights as they are decoded; a 7B model's where nothing tells its size."""
        settings = self.experiment.decoding_of(checkpoint, decoding)
        return settings.weight_bytes(self.experiment.elements(checkpoint) or UNKNOWN_ELEMENTS)

    def _decoded(self, decoding: str) -> list[Decoded]:
        """Return the decode jobs with these settings that the results folder knows of."""
        if self.layout is None:
            return []
        found = (
            read_decoded(
                Path(self.layout.responses(checkpoint, asked, "json")),
                self.role(checkpoint).value,
                self.weight_bytes(checkpoint, asked),
            )
            for checkpoint, asked in self.experiment.asked
            if asked == decoding
        )
        return [one for one in found if one is not None]

    @staticmethod
    def minutes(seconds: float) -> int:
        """Return the time limit in minutes of a job that decodes: four times what is expected, and half an hour."""
        return 30 + round(4 * seconds / 60)

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
        """Return the estimate of a job that generates a checkpoint's responses, ahead or when they are asked for."""
        ahead = (checkpoint, decoding) in self.experiment.ahead
        seconds = (self.ahead_seconds if ahead else self.decode_seconds)(checkpoint, decoding)
        return Job(seconds, self.experiment.decoding_of(checkpoint, decoding).gpus)

    def cpu_job(self, checkpoint: str, decoding: str, cores: int) -> Job:
        """Return the estimate of such a job on the CPU, with its threads in place of GPUs."""
        return Job(self.job(checkpoint, decoding).seconds, self.cpu_threads(checkpoint, decoding, cores))

    def cpu_threads(self, checkpoint: str, decoding: str, cores: int) -> int:
        """Return the threads of a decode job on the CPU, no more than there are cores."""
        return min(self.experiment.decoding_of(checkpoint, decoding).cpu_threads, cores)

    def seconds_after(self, checkpoint: str) -> float:
        """Return how long the longest decode job takes that waits for a checkpoint; 0 if none does."""
        studies = (self.experiment.studies[name] for name in self.experiment.studies_of.get(checkpoint, ()))
        decodings = {decoding for study in studies for decoding in study.decodings}
        return max((self.decode_seconds(checkpoint, decoding) for decoding in decodings), default=0.0)
