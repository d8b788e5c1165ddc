"""What the catalogue's decode jobs are expected to cost, from sizes and row counts that the entries state."""

from pathlib import Path

from l2s.catalog.catalog import Catalog
from l2s.catalog.entries import MODELS
from l2s.decoding.settings import Role
from l2s.planning.estimates import Throughput

FLOAT32 = 2  # times the bytes of bfloat16


class Costs:
    """Estimates for a catalogue.

    Args:
        catalog: The catalogue.
        throughput: The table of speeds and lengths.
    """

    def __init__(self, catalog: Catalog, throughput: Throughput) -> None:
        self.catalog, self.throughput = catalog, throughput

    def model_bytes(self, model: str) -> int:
        """Return the bytes of a model's weights: as its entry says, or those of its local files; 0 if unknown."""
        entry = self.catalog.entries.model(model)
        if entry.bytes is None and entry.path:
            return sum(file.stat().st_size for file in Path(entry.path).glob("*.safetensors"))
        return entry.bytes or 0

    def checkpoint_bytes(self, checkpoint: str) -> int:
        """Return the bytes of a checkpoint's weights; a merged one is as large as the largest model it is made of."""
        if checkpoint.startswith(f"{MODELS}/"):
            return self.model_bytes(checkpoint.removeprefix(f"{MODELS}/"))
        merge = self.catalog.merges[checkpoint]
        factor = FLOAT32 if merge.recipe.inputs.dtype == "float32" else 1
        return factor * max(map(self.model_bytes, merge.models.values()))

    def responses(self, checkpoint: str, decoding: str) -> dict[str, int]:
        """Return how many responses are asked of a checkpoint, by benchmark."""
        samples = self.catalog.entries.decoding(decoding).sampling.samples
        benchmarks = map(self.catalog.entries.benchmark, names := self.catalog.asked[checkpoint, decoding])
        return {
            name: samples * min(entry.rows, entry.first or entry.rows)
            for name, entry in zip(names, benchmarks, strict=True)
        }

    def decode_seconds(self, checkpoint: str, decoding: str) -> float:
        """Return how long a decode job is expected to take, if nothing of it is in the store."""
        budget = self.catalog.decoding_of(checkpoint, decoding).max_new_tokens
        # What a checkpoint is in several pairs takes as long as the slowest of it.
        roles = self.catalog.roles[checkpoint]
        role = next(role for role in (Role.SLOW, Role.MERGED, Role.QUICK) if role in roles)
        size, asked = self.checkpoint_bytes(checkpoint), self.responses(checkpoint, decoding)
        return self.throughput.decode_seconds(role.value, size, asked, budget)

    def seconds_after(self, checkpoint: str) -> float:
        """Return how long the longest decode job takes that waits for a checkpoint; 0 if none does."""
        jobs = [decoding for name, decoding in self.catalog.asked if name == checkpoint]
        return max((self.decode_seconds(checkpoint, decoding) for decoding in jobs), default=0.0)
