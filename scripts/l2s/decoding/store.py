"""The response store: what has been decoded once is never decoded again.

It lies outside every declared output, so that neither a failed job nor a changed rule loses it. A store belongs to one
checkpoint (by content_id) and one set of numeric decode settings; in it, chunk files hold completions by key.

The settings do not tell the kind of GPU, which is known only once a job has one: a file beside the chunks names it, and
another kind is refused. CPUs are not told apart.

Who decodes holds the store's lock, or that of a share of the questions, so that jobs which need the same responses
(equal merges have equal content_ids) decode them once. Readers need no lock.

In memory is where each completion lies, not its tokens: these are read when they are asked for, so many at a time as
``TOKENS_AT_A_TIME`` says.
"""

import hashlib
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from filelock import FileLock, Timeout

from l2s.contracts.chunks import Chunk, Chunks
from l2s.contracts.parquet import Column, schema_of
from l2s.decoding.engines.interface import Completion
from l2s.decoding.share import WHOLE, Share
from l2s.errors import UserError
from l2s.files import digest_of, pretty_json, write_text

ID_DIGITS = 16
LOCK_NAME = ".lock"
ABANDONED_SECONDS = 3600.0
"""A half-written file of this age is a killed job's: what is alive writes one within seconds."""
DEVICE_NAME = "device.txt"
TOKENS_AT_A_TIME = 250_000_000  # 1 GB of them

COMPLETIONS = schema_of(
    [
        Column("key", pa.string(), "sha256 of the prompt's token ids and the sample index"),
        Column("output_ids", pa.list_(pa.int32()), "token ids exactly as generated, the closing stop token included"),
        Column("finish_reason", pa.string(), "stop, length or context length"),
    ]
)

TOKENS_COLUMN = COMPLETIONS.get_field_index("output_ids")
Row = tuple[dict[str, pa.Array], int]


def request_key(prompt_ids: Sequence[int], sample: int) -> str:
    """Return the key of a response: sha256 over its prompt's token ids and its sample index."""
    return hashlib.sha256(ids_bytes(prompt_ids) + f"/{sample}".encode()).hexdigest()


def ids_bytes(token_ids: Sequence[int]) -> bytes:
    """Return token ids as little-endian int32 bytes."""
    return struct.pack(f"<{len(token_ids)}i", *token_ids)


class Place(NamedTuple):
    """Where a completion lies: in which row of which chunk, and how many tokens one there has on average."""

    chunk: Path
    row: int
    tokens: float


class ResponseStore:
    """The completions of one checkpoint under one set of numeric settings.

    Args:
        root: Folder of all stores.
        content_id: The checkpoint's.
        settings: Everything that a completion depends on besides checkpoint, prompt and sample index.

    Attributes:
        known: Where each completion lies, by its key.
    """

    def __init__(self, root: Path, content_id: str, settings: dict[str, Any]) -> None:
        self.folder = root / content_id[:ID_DIGITS] / digest_of(settings)[:ID_DIGITS]
        self.settings = {"content_id": content_id, "settings": settings}
        self.known: dict[str, Place] = {}
        self.chunks = Chunks(self.folder, COMPLETIONS, "its responses are decoded again")
        self._load_new()

    @contextmanager
    def locked(self, share: Share = WHOLE) -> Iterator[None]:
        """Hold the store against other processes that decode the same, after waiting; take in what they have added.

        The lock is flock's, which the kernel frees when its holder dies. It holds between machines where the file
        system passes it on: NFS (version 4, or 3 with lockd) does, Lustre if mounted with 'flock'.

        Args:
            share: Of the questions, which of them this process decodes; others may decode other shares meanwhile.

        Raises:
            UserError: The file system has no locks.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / f"{LOCK_NAME}{share.suffix}", fallback_to_soft=False)
        try:
            try:
                lock.acquire(blocking=False)
            except Timeout:
                print(f"{self.folder}: another job is decoding the same responses; waiting for it", flush=True)
                lock.acquire()
        except OSError as error:
            raise UserError(
                f"{self.folder}: cannot be locked ({error.strerror}); put 'results' on a file system with flock"
            ) from None
        try:
            self._remove_abandoned()
            self._load_new()
            yield
            for chunk in self.chunks.compact(own=share != WHOLE):
                self._take_in(chunk)
        finally:
            lock.release()

    def _remove_abandoned(self) -> None:
        """Remove what killed jobs have left half-written; where jobs share the questions, others may be writing."""
        patience = ABANDONED_SECONDS if any(self.folder.glob(f"{LOCK_NAME}-*")) else 0.0
        for partial in self.folder.glob(".*.partial"):
            with suppress(FileNotFoundError):  # it was finished meanwhile
                if time.time() - partial.stat().st_mtime >= patience:
                    partial.unlink()

    def claim_device(self, device: str) -> None:
        """Note what kind of device decodes, so that no store mixes responses of several; to be called with the lock.

        Raises:
            UserError: Responses of another kind of device are there.
        """
        file = self.folder / DEVICE_NAME
        if not file.is_file():
            write_text(file, f"{device}\n")
        elif (before := file.read_text(encoding="utf-8").strip()) != device:
            raise UserError(
                f"{self.folder}: holds responses decoded on {before}, and this job runs on {device}, whose last bits "
                f"differ: go on on {before} (on a cluster by gpu_model or its partition), or delete the folder"
            )

    def _load_new(self) -> None:
        for chunk in self.chunks.new():
            self._take_in(chunk)

    def _take_in(self, chunk: Chunk) -> None:
        keys = chunk.content.read(["key"])["key"].to_pylist()
        groups = map(chunk.content.metadata.row_group, range(chunk.content.num_row_groups))
        # That many values lie in the column of tokens, which is most of the chunk and need not be decoded here.
        tokens = sum(group.column(TOKENS_COLUMN).num_values for group in groups) / max(1, len(keys))
        self.known |= {key: Place(chunk.file, row, tokens) for row, key in enumerate(keys)}

    def read(self, keys: Iterable[str]) -> Iterator[Completion]:
        """Yield the completions of these keys, in their order.

        Raises:
            UserError: A chunk has been damaged or deleted since the store was opened.
        """
        for together in self._portions(keys):
            rows = self._rows(together)
            for key in together:
                columns, row = rows[key]
                ids = columns["output_ids"][row].values.to_numpy().tolist()
                yield Completion(key, tuple(ids), columns["finish_reason"][row].as_py())

    def _portions(self, keys: Iterable[str]) -> Iterator[list[str]]:
        """Split keys into parts of whose completions each fits into memory."""
        portion: list[str] = []
        tokens = 0
        for key in keys:
            if tokens > TOKENS_AT_A_TIME:
                yield portion
                portion, tokens = [], 0
            portion.append(key)
            tokens += self.known[key].tokens
        yield portion

    def _rows(self, keys: Sequence[str]) -> dict[str, Row]:
        """Return by key the columns of its chunk, and its row in them; each chunk is read once."""
        by_chunk: dict[Path, list[str]] = {}
        for key in dict.fromkeys(keys):
            by_chunk.setdefault(self.known[key].chunk, []).append(key)
        found: dict[str, Row] = {}
        for file, inside in by_chunk.items():
            content = self.chunks.read(file)
            if content is None:
                found |= self._moved(file, inside)
                continue
            part = content.read(["output_ids", "finish_reason"]).take([self.known[key].row for key in inside])
            columns = {name: part[name].combine_chunks() for name in part.column_names}
            found |= {key: (columns, row) for row, key in enumerate(inside)}
        return found

    def _moved(self, file: Path, keys: list[str]) -> dict[str, Row]:
        """Return rows of a chunk that is gone: another job may have put it into a larger one."""
        self._load_new()
        if any(self.known[key].chunk == file for key in keys):
            raise UserError(f"{file}: was damaged or deleted while a job read it; run again to decode it again")
        return self._rows(keys)

    def add(self, completions: Iterable[Completion]) -> None:
        """Keep completions that are new, as one chunk file."""
        new = [completion for completion in completions if completion.key not in self.known]
        if not new:
            return
        described = self.folder / "settings.json"
        if not described.is_file():
            write_text(described, pretty_json(self.settings))
        self._take_in(self.chunks.add(completion._asdict() for completion in new))
