"""The response store: what has been decoded once is never decoded again.

It lies outside every declared output, so that neither a failed job nor a changed rule loses it. A store belongs to one
checkpoint (by content_id) and one set of numeric decode settings; in it, chunk files hold completions by key.

The settings do not tell the kind of GPU, which is known only once a job has one: a file beside the chunks names it, and
another kind is refused. CPUs are not told apart.

Who decodes holds the store's lock, so that jobs which need the same responses (equal merges have equal content_ids)
decode them once. Readers need no lock.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from filelock import FileLock, Timeout

from l2s.contracts.chunks import Chunks
from l2s.contracts.parquet import Column, schema_of
from l2s.decoding.engines.interface import Completion
from l2s.errors import UserError
from l2s.files import digest_of, pretty_json, write_text

ID_DIGITS = 16
LOCK_NAME = ".lock"
DEVICE_NAME = "device.txt"

COMPLETIONS = schema_of(
    [
        Column("key", pa.string(), "sha256 of the prompt's token ids and the sample index"),
        Column("output_ids", pa.list_(pa.int32()), "token ids exactly as generated, the closing stop token included"),
        Column("finish_reason", pa.string(), "stop, length or context length"),
    ]
)


def request_key(prompt_ids: Sequence[int], sample: int) -> str:
    """Return the key of a response: sha256 over its prompt's token ids and its sample index."""
    return hashlib.sha256(ids_bytes(prompt_ids) + f"/{sample}".encode()).hexdigest()


def ids_bytes(token_ids: Sequence[int]) -> bytes:
    """Return token ids as little-endian int32 bytes."""
    return b"".join(token.to_bytes(4, "little") for token in token_ids)


class ResponseStore:
    """The completions of one checkpoint under one set of numeric settings.

    Args:
        root: Folder of all stores.
        content_id: The checkpoint's.
        settings: Everything that a completion depends on besides checkpoint, prompt and sample index.
    """

    def __init__(self, root: Path, content_id: str, settings: dict[str, Any]) -> None:
        self.folder = root / content_id[:ID_DIGITS] / digest_of(settings)[:ID_DIGITS]
        self.settings = {"content_id": content_id, "settings": settings}
        self.known: dict[str, Completion] = {}
        self.chunks = Chunks(self.folder, COMPLETIONS, "its responses are decoded again")
        self._load_new()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store against other processes that decode, after waiting for them; take in what they have added.

        The lock is flock's, which the kernel frees when its holder dies. It holds between machines where the file
        system passes it on: NFS (version 4, or 3 with lockd) does, Lustre if mounted with 'flock'.

        Raises:
            UserError: The file system has no locks.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / LOCK_NAME, fallback_to_soft=False)
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
            for abandoned in self.folder.glob(".*.partial"):
                abandoned.unlink()
            self._load_new()
            yield
        finally:
            lock.release()

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
        for row in self.chunks.new_rows():
            self.known[row["key"]] = Completion(row["key"], tuple(row["output_ids"]), row["finish_reason"])

    def add(self, completions: Iterable[Completion]) -> None:
        """Keep completions that are new, as one chunk file."""
        new = [completion for completion in completions if completion.key not in self.known]
        if not new:
            return
        described = self.folder / "settings.json"
        if not described.is_file():
            write_text(described, pretty_json(self.settings))
        self.chunks.add(completion._asdict() for completion in new)
        self.known.update((completion.key, completion) for completion in new)
