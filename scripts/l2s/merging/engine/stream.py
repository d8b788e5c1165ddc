"""The streaming merge: every tensor passes through fixed buffers, a chunk at a time.

One thread works on one tensor from its first chunk to its last, so that the tensor's digest grows with it; threads take
the largest tensors first. Memory is the buffers: threads × (models + 1) × chunk, whatever the model's size.

Methods on whole matrices get whole tensors. As many are merged at a time, each by one thread, as fit into the memory
that the most expensive one takes; those that do not fit beside others get all threads, one after the other. What the
methods return goes through chunks like everything else, beside the sources, which are read again for it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cached_property
from math import prod
from pathlib import Path

import pyarrow as pa
import torch

from l2s.checkpoints.headers import ITEM_BYTES
from l2s.checkpoints.manifest import TensorRecord
from l2s.checkpoints.tensors import TensorWriter, torch_dtype
from l2s.checkpoints.verified import VerifyingReader
from l2s.errors import UserError
from l2s.merging.engine.contract import Chunk, Cost, Tally
from l2s.merging.engine.plan import MergePlan
from l2s.merging.engine.statistics import Meter, Sums, statistics_table
from l2s.merging.engine.values import is_finite, not_finite, raw_buffer, read_values, torch_threads
from l2s.progress import Progress

# Large enough that Python costs little, small enough that a chunk of every vector stays in the cache.
CHUNK_ELEMENTS = 1 << 19
# Elements a second and thread, counting passes included, measured with a 1.5B pair on a 2-core machine; for estimates.
RATE = 150e6
# Arithmetic operations of methods on matrices a second and thread, measured on two cores with 7B shapes and a few large
# singular values; where more stand out than can be taken out, a merge takes up to twice as long.
OPERATIONS = 65e9


class Buffers:
    """One thread's memory: raw bytes, a vector for each source, and the meter of its statistics.

    Args:
        plan: The plan, for the number of sources and the dtype that methods compute in.
        elements: Capacity of a vector.
        device: Where the vectors are.
    """

    def __init__(self, plan: MergePlan, elements: int, device: torch.device) -> None:
        self.raw = raw_buffer(elements)
        self.bytes = memoryview(self.raw.numpy())
        dtype = torch.bfloat16 if plan.recipe.in_bfloat16 else torch.float32
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
        threads: Tensors worked on at the same time; for methods on matrices, threads of the work on one.
        device: Where methods compute; the same tensors come out on the CPU and on CUDA.
        chunk_elements: Elements per chunk; the result does not depend on it.
        keep: Whether the weights are written; else they are only digested.
        known: By folder, what is known of a source's tensors; they are compared with it while they are read.
    """

    def __init__(
        self,
        plan: MergePlan,
        folder: Path,
        threads: int,
        device: str = "cpu",
        chunk_elements: int = CHUNK_ELEMENTS,
        keep: bool = True,
        known: Mapping[Path, Mapping[str, TensorRecord]] | None = None,
    ) -> None:
        self.plan, self.keep, self.known = plan, keep, known or {}
        self.method = plan.recipe.method
        self.folder = folder
        self.threads = threads
        self.shapes = {name: planned.shape for name, planned in plan.outputs.items()}
        self.largest = max(map(prod, self.shapes.values()))
        self.chunk_elements = min(chunk_elements, self.largest)
        self.whole_tensors = self.method.works_on == "matrices"
        self.device = torch.device(device)
        self.records: dict[str, TensorRecord] = {}
        self.sums: dict[str, Sums] = {}
        self.local = threading.local()

    def run(self) -> Mapping[str, TensorRecord]:
        """Merge every tensor and write it; return the tensors' records in the order of the files.

        Raises:
            UserError: A value of a source or of the result is NaN or infinite, or a tensor of a source is not the one
                that is known; names the tensor.
            OSError: The disk is full, or another fault of the file system.
        """
        tally = self._tally()
        whole_model = tally is not None and tally.scope == "model"
        self.progress = Progress("merge", self.elements / 1e6, "million elements", effort=self.expected_seconds)
        with ExitStack() as stack:
            self.readers = [
                stack.enter_context(VerifyingReader(source.folder, self.known.get(source.folder, {})))
                for source in self.plan.sources
            ]
            shard_bytes = int(self.plan.recipe.inputs.max_shard_gb * 1e9)
            self.writer = stack.enter_context(TensorWriter(self.folder, self.plan.outputs, shard_bytes, self.keep))
            if whole_model:
                for _ in range(tally.passes):
                    self._for_each_tensor(lambda name: self._count(name, tally))
                    tally.finish_pass()
            self._for_each_tensor(lambda name: self._merge_tensor(name, tally if whole_model else None))
        return {name: self.records[name] for name in self.plan.outputs}

    def statistics(self) -> pa.Table:
        """Return the statistics of the merge, schema MERGE_STATISTICS, in the order of the files."""
        return statistics_table({name: self.sums[name] for name in self.plan.outputs})

    @property
    def elements(self) -> int:
        """Number of elements of the result."""
        return sum(map(prod, self.shapes.values()))

    @property
    def passes(self) -> int:
        """How many times every element is read."""
        tally = self._tally()
        return 1 + (tally.passes if tally else 0)

    @property
    def expected_seconds(self) -> float:
        """How long the merge is expected to take."""
        return self._reading_seconds(self.elements) * self.passes + sum(map(self._seconds, self.shapes))

    def _reading_seconds(self, elements: int) -> float:
        """Return how long a pass over so many elements is expected to take."""
        return elements / (RATE * self.threads)

    def _seconds(self, name: str) -> float:
        """Return how long the work on a whole tensor is expected to take, beside the passes over it."""
        cost = self._cost(name)
        serial = cost.serial / (1 if name in self._alone else self.threads)
        return (cost.operations / self.threads + serial) / OPERATIONS

    @property
    def expected_bytes(self) -> int:
        """Memory that the buffers of all threads and the work on the most expensive whole tensor will take."""
        if not self.whole_tensors:
            return self.threads * Buffers.expected_bytes(self.plan, self.chunk_elements)
        buffers = Buffers.expected_bytes(self.plan, self.chunk_elements) * (self.threads if self._together else 1)
        return max(map(self._whole_bytes, self.shapes)) + buffers

    def _whole_bytes(self, name: str) -> int:
        """Return how much memory a whole tensor of every source and the work on it take."""
        return prod(self.shapes[name]) * ITEM_BYTES["F32"] * len(self.plan.sources) + self._cost(name).nbytes

    def _cost(self, name: str) -> Cost:
        return self.method.cost(self.shapes[name], len(self.plan.recipe.inputs.models))

    @cached_property
    def _alone(self) -> set[str]:
        """The whole tensors of which there is no room for as many as there are threads."""
        if not self.whole_tensors:
            return set()
        sizes = {name: self._whole_bytes(name) for name in self.shapes}
        return {name for name, size in sizes.items() if size * self.threads > max(sizes.values())}

    @property
    def _together(self) -> bool:
        """Whether several tensors are merged at a time."""
        return len(self._alone) < len(self.shapes)

    def _tally(self) -> Tally | None:
        return self.method.tally(len(self.plan.recipe.inputs.models), self.plan.recipe.in_bfloat16)

    def _for_each_tensor(self, work) -> None:
        largest_first = sorted(self.shapes, key=lambda name: -prod(self.shapes[name]))
        with torch_threads(self.threads):
            for name in filter(self._alone.__contains__, largest_first):
                work(name)
        # Each with one torch thread: on chunks of this size that beats one operation on all cores.
        with torch_threads(1), ThreadPoolExecutor(self.threads) as pool:
            futures = [pool.submit(work, name) for name in largest_first if name not in self._alone]
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
        whole = self._merge_whole(name) if self.whole_tensors else None
        for chunk in self._chunks(name):
            base = chunk.models[0] if chunk.base is None else chunk.base
            buffers.meter.before(base, chunk.models)
            if not buffers.meter.finite:
                self._check_sources(chunk, len(base))  # a method that clips or selects would hide them
            here = slice(chunk.offset, chunk.offset + len(base))
            merged = self.method.merge(chunk, tally) if whole is None else whole[here]
            self._check_finite(chunk, merged)
            buffers.meter.after(merged)
            data = buffers.bytes[: len(merged) * item]
            buffers.raw[: len(data)].view(torch_dtype(planned.dtype)).copy_(merged)
            digest.update(data)
            self.writer.write(name, chunk.offset * item, data)
        self.sums[name] = buffers.meter.sums
        self.records[name] = TensorRecord(dtype=planned.dtype, shape=planned.shape, sha256=digest.hexdigest())

    def _merge_whole(self, name: str) -> torch.Tensor:
        """Merge a tensor as a whole, before its chunks pass by for statistics and writing."""
        count = prod(self.shapes[name])
        vectors = [torch.empty(count, device=self.device) for _ in self.plan.sources]
        for reader, source, vector in zip(self.readers, self.plan.sources, vectors, strict=True):
            for offset in range(0, count, self.chunk_elements):
                part = vector[offset : offset + self.chunk_elements]
                if not is_finite(read_values(reader, source.places[name], offset, self._buffers().raw, part)):
                    raise not_finite(source.places[name], name)
        base = vectors.pop(0) if self.method.needs_base else None
        merged = self.method.merge(Chunk(name, self.shapes[name], 0, base, vectors, self.plan.prepared), None)
        self.progress.add(0, self._seconds(name))
        return merged

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
                read_values(reader, place, offset, buffers.raw, values[:count])
                for reader, place, values in zip(self.readers, places, buffers.values, strict=True)
            ]
            base = vectors.pop(0) if self.method.needs_base else None
            yield Chunk(name, places[0].shape, offset, base, vectors, self.plan.prepared)
            self.progress.add(count / self.passes / 1e6, self._reading_seconds(count))

    def _check_finite(self, chunk: Chunk, merged: torch.Tensor) -> None:
        if is_finite(merged):
            return
        self._check_sources(chunk, len(merged))
        raise UserError(f"merged tensor '{chunk.name}' holds NaN or infinity; the hyper-parameters are too extreme")

    def _check_sources(self, chunk: Chunk, count: int) -> None:
        """Read a chunk of every source again, and refuse NaN and infinity in it."""
        again = torch.empty(count, device=self.device)  # the chunk's own buffers are still needed
        for reader, source in zip(self.readers, self.plan.sources, strict=True):
            place = source.places[chunk.name]
            if not is_finite(read_values(reader, place, chunk.offset, self._buffers().raw, again)):
                raise not_finite(place, chunk.name)
