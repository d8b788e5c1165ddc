"""Reading tensors that must be those of a manifest: their digests grow while their bytes pass by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from threading import get_ident

from l2s.checkpoints.headers import TensorPlace
from l2s.checkpoints.manifest import GET_AGAIN, TensorRecord
from l2s.checkpoints.tensors import DIGEST_BYTES, TensorReader
from l2s.errors import UserError


class VerifyingReader(TensorReader):
    """Reads pieces of a model folder's tensors, and compares each tensor with its digest when its last byte has passed.

    One thread reads a tensor from its first byte to its last, and may read what has passed already again in between.
    Later passes over a tensor are not digested. Of a place that holds a tensor's first rows only, the others are read
    for the digest.

    Args:
        folder: The model's folder.
        expected: What its manifest says of its tensors; empty: nothing is known, and nothing compared.

    Raises:
        UserError: The folder's tensors have other names or shapes than the manifest's, or another content.
    """

    def __init__(self, folder: Path, expected: Mapping[str, TensorRecord]) -> None:
        super().__init__(folder)
        self.verified: set[str] = set()
        self._expected: dict[tuple[Path, int], tuple[str, str]] = {}
        self._passing: dict[tuple[int, Path, int], tuple[hashlib._Hash, int]] = {}
        if not expected:
            return
        for name in sorted(self.places.keys() | expected.keys()):
            place, record = self.places.get(name), expected.get(name)
            if not place or not record or (place.dtype, place.shape) != (record.dtype, record.shape):
                raise self._other(name)
            self._expected[place.file, place.start] = name, record.sha256

    def read(self, place: TensorPlace, first_byte: int, into: memoryview) -> None:
        """Fill ``into`` with the tensor's bytes from ``first_byte`` on; safe to call from several threads."""
        super().read(place, first_byte, into)
        name, sha256 = self._expected.get((place.file, place.start), ("", ""))
        if not name or name in self.verified:
            return
        # Two names may stand for one place (an embedding that is the output layer as well), in two threads.
        key = (get_ident(), place.file, place.start)
        digest, done = self._passing.pop(key, (None, 0))
        if first_byte == 0:
            digest, done = hashlib.sha256(), 0
        if digest is not None and first_byte == done:
            digest.update(into)
            done += len(into)
        if done < place.nbytes:
            self._passing[key] = digest, done
            return
        self._digest_rest(self.places[name], done, digest)
        if digest.hexdigest() == sha256:
            self.verified.add(name)
        else:
            raise self._other(name)

    def _digest_rest(self, place: TensorPlace, done: int, digest: hashlib._Hash) -> None:
        """Let the digest pass over what of a tensor lies behind the rows that are read."""
        for first in range(done, place.nbytes, DIGEST_BYTES):
            piece = memoryview(bytearray(min(DIGEST_BYTES, place.nbytes - first)))
            super().read(place, first, piece)
            digest.update(piece)

    def _other(self, name: str) -> UserError:
        return UserError(
            f"{self.folder}: tensor '{name}' is not the one that the model's manifest describes: the file was altered "
            f"or is damaged; {GET_AGAIN}"
        )
