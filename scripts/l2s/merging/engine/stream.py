"""The streaming merge: every tensor passes through fixed buffers, a chunk at a time.

One thread works on one tensor from its first chunk to its last, so that the tensor's digest grows with it; threads take
the largest tensors first. Memory is the buffers: threads × (models + 1) × chunk, whatever the model's size (for methods
on whole matrices, the largest tensor instead of a chunk).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow as pa
import torch

from l2s.checkpoints.dtypes import TORCH_DTYPE
from l2s.checkpoints.headers import ITEM_BYTES, TensorPlace
from l2s.checkpoints.manifest import TensorRecord
from l2s.checkpoints.tensors import TensorReader, TensorWriter
from l2s.errors import UserError
from l2s.merging.engine.contract import Chunk, Tally
from l2s.merging.engine.plan import MergePlan
from l2s.merging.engine.statistics import Meter, Sums, statistics_table
from l2s.progress import Progress

# Large enough that Python costs little, small enough that a chunk of every vector stays in the cache.
CHUNK_ELEMENTS = 1 << 19


class Buffers:
    """One thread's memory: raw bytes, a vector for each source, and the meter of its statistics.

    Args:
        plan: The plan, for the number of sources and the dtype that methods compute in.
        elements: Capacity of a vector.
        device: Where the vectors are.
    """

    def __init__(self, plan: MergePlan, elements: int, device: torch.device) -> None:
        self.raw = torch.empty(elements * ITEM_BYTES["F32"], dtype=torch.uint8)
        self.bytes = memoryview(self.raw.numpy())
        dtype = torch.bfloat16 if plan.recipe.released else torch.float32
        self.values = [torch.empty(elements, dtype=dtype, device=device) for _ in plan.sources]
        self.meter = Meter(len(plan.recipe.inputs.models), elements, device)

    @staticmethod
    def expected_bytes(plan: MergePlan, elements: int) -> int:
        """Return how much memory one thread's buffers take."""
        vectors = len(plan.sources) + 3 + len(plan.recipe.inputs.models)
        return elements * ITEM_BYTES["F32"] * vectors


class StreamingMerge:
    """Carries out a plan.

    Args:
        plan: What to read and write.
        folder: Existing folder that the weight files go into.
        threads: Tensors worked on at the same time.
        device: Where methods compute; the same tensors come out on the CPU and on CUDA.
        chunk_elements: Elements per chunk; the result does not depend on it.
    """

    def __init__(
        self, plan: MergePlan, folder: Path, threads: int, device: str = "cpu", chunk_elements: int = CHUNK_ELEMENTS
    ) -> None:
        self.plan = plan
        self.method = plan.recipe.method
        self.folder = folder
        self.threads = threads
        largest = max(place.elements for place in plan.sources[-1].places.values())
        self.chunk_elements = largest if self.method.works_on == "matrices" else min(chunk_elements, largest)
        self.device = torch.device(device)
        self.records: dict[str, TensorRecord] = {}
        self.sums: dict[str, Sums] = {}
        self.local = threading.local()

    def run(self) -> Mapping[str, TensorRecord]:
        """Merge every tensor and write it; return the tensors' records in the order of the files.

        Raises:
            UserError: A value of a source or of the result is NaN or infinite; names the tensor.
            OSError: The disk is full, or another fault of the file system.
        """
        tally = self._tally()
        whole_model = tally is not None and tally.scope == "model"
        self.progress = Progress("merge", self.passes * self.elements / 1e6, "million elements")
        with ExitStack() as stack:
            self.readers = [stack.enter_context(TensorReader(source.folder)) for source in self.plan.sources]
            shard_bytes = int(self.plan.recipe.inputs.max_shard_gb * 1e9)
            self.writer = stack.enter_context(TensorWriter(self.folder, self.plan.outputs, shard_bytes))
            if whole_model:
                for _ in range(tally.passes):
                    self._for_each_tensor(lambda name: self._count(name, tally))
                    tally.finish_pass()
            self._for_each_tensor(lambda name: self._merge_tensor(name, tally if whole_model else None))
        return {name: self.records[name] for name in self.plan.outputs}

    def statistics(self) -> pa.Table:
        """Return the statistics of the merge, schema STATISTICS, in the order of the files."""
        return statistics_table({name: self.sums[name] for name in self.plan.outputs})

    @property
    def elements(self) -> int:
        """Number of elements of the result."""
        return sum(place.elements for place in self.plan.sources[-1].places.values())

    @property
    def passes(self) -> int:
        """How many times every element is read."""
        tally = self._tally()
        return 1 + (tally.passes if tally else 0)

    @property
    def expected_bytes(self) -> int:
        """Memory that the buffers of all threads will take."""
        return self.threads * Buffers.expected_bytes(self.plan, self.chunk_elements)

    def _tally(self) -> Tally | None:
        return self.method.tally(len(self.plan.recipe.inputs.models), self.plan.recipe.released)

    def _for_each_tensor(self, work) -> None:
        places = self.plan.sources[-1].places
        largest_first = sorted(places, key=lambda name: -places[name].nbytes)
        with single_threaded_torch(), ThreadPoolExecutor(self.threads) as pool:
            futures = [pool.submit(work, name) for name in largest_first]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _merge_tensor(self, name: str, shared: Tally | None) -> None:
        tally = shared
        if shared is None and (tally := self._tally()):
            for _ in range(tally.passes):
                self._count(name, tally)
                tally.finish_pass()
        planned = self.plan.outputs[name]
        item = ITEM_BYTES[planned.dtype]
        digest = hashlib.sha256()
        buffers = self._buffers()
        buffers.meter.reset()
        for chunk in self._chunks(name):
            base = chunk.models[0] if chunk.base is None else chunk.base
            buffers.meter.before(base, chunk.models)
            merged = self.method.merge(chunk, tally)
            self._check_finite(chunk, merged)
            buffers.meter.after(merged)
            data = buffers.bytes[: len(merged) * item]
            buffers.raw[: len(data)].view(TORCH_DTYPE[planned.dtype]).copy_(merged)
            digest.update(data)
            self.writer.write(name, chunk.offset * item, data)
        self.sums[name] = buffers.meter.sums
        self.records[name] = TensorRecord(dtype=planned.dtype, shape=planned.shape, sha256=digest.hexdigest())

    def _buffers(self) -> Buffers:
        """Return this thread's buffers."""
        if not hasattr(self.local, "buffers"):
            self.local.buffers = Buffers(self.plan, self.chunk_elements, self.device)
        return self.local.buffers

    def _count(self, name: str, tally: Tally) -> None:
        for chunk in self._chunks(name):
            self.method.count(chunk, tally)

    def _chunks(self, name: str) -> Iterator[Chunk]:
        """Read a tensor of every source piece by piece; each chunk's vectors are this thread's buffers."""
        buffers = self._buffers()
        places = [source.places[name] for source in self.plan.sources]
        for offset in range(0, places[0].elements, self.chunk_elements):
            count = min(self.chunk_elements, places[0].elements - offset)
            vectors = [
                _read(reader, place, offset, buffers, values[:count])
                for reader, place, values in zip(self.readers, places, buffers.values, strict=True)
            ]
            base = vectors.pop(0) if self.method.needs_base else None
            yield Chunk(name, places[0].shape, offset, base, vectors, self.plan.prepared)
            self.progress.add(count / 1e6)

    def _check_finite(self, chunk: Chunk, merged: torch.Tensor) -> None:
        # A sum is finite unless a value is not (or the values are absurdly large): one cheap pass without a temporary.
        if merged.sum().isfinite() or merged.isfinite().all():
            return
        count, buffers = len(merged), self._buffers()
        for reader, source in zip(self.readers, self.plan.sources, strict=True):
            place = source.places[chunk.name]
            if not _read(reader, place, chunk.offset, buffers, buffers.values[0][:count]).isfinite().all():
                raise UserError(f"{place.file}: tensor '{chunk.name}' holds NaN or infinity; fetch the model again")
        raise UserError(f"merged tensor '{chunk.name}' holds NaN or infinity; the hyper-parameters are too extreme")


def _read(reader: TensorReader, place: TensorPlace, offset: int, buffers: Buffers, into: torch.Tensor) -> torch.Tensor:
    """Read ``len(into)`` elements from ``offset`` on and convert them to the vector's dtype and device."""
    item = ITEM_BYTES[place.dtype]
    nbytes = len(into) * item
    reader.read(place, offset * item, buffers.bytes[:nbytes])
    return into.copy_(buffers.raw[:nbytes].view(TORCH_DTYPE[place.dtype]))


@contextmanager
def single_threaded_torch() -> Iterator[None]:
    """Let each Python thread use one torch thread: on chunks of this size that beats one operation on all cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
