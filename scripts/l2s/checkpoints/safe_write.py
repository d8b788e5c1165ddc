"""Putting a finished checkpoint in its place: enough disk, parents that stand still, weights beside their manifest."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from l2s.checkpoints.headers import weight_files
from l2s.checkpoints.manifest import Manifest
from l2s.errors import UserError
from l2s.files import sync

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
SPARE_DISK = 1.02


def check_room(folder: Path, nbytes: int) -> None:
    """Stop with a UserError if ``nbytes`` do not fit on the disk of ``folder``."""
    free = shutil.disk_usage(folder).free
    if nbytes * SPARE_DISK > free:
        raise UserError(f"{folder.parent}: the result takes {nbytes / 1e9:.1f} GB but {free / 1e9:.1f} GB are free")


@contextmanager
def clear_disk_errors(out: Path) -> Iterator[None]:
    """Turn a full disk into a UserError that names ``out``."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise UserError(f"{out}: {error.strerror}; make room and run again (nothing was left behind)") from None


@contextmanager
def unchanged(folders: list[Path]) -> Iterator[None]:
    """Fail if a parent's files change while they are read: the result would be a mixture that no manifest describes."""

    def stamps() -> dict[Path, tuple[int, int, int]]:
        files = [file for folder in folders for file in [*weight_files(folder), folder / "config.json"]]
        return {file: (s.st_ino, s.st_size, s.st_mtime_ns) for file in files for s in [file.stat()]}

    before = stamps()
    yield
    after = stamps()
    for file, stamp in before.items():
        if after.get(file) != stamp:
            raise UserError(f"{file}: changed while it was read; run again when nothing writes to it")


def put_beside_manifest(folder: Path, out: Path, manifest: Manifest, expected: Manifest) -> None:
    """Move rebuilt files from ``folder`` to ``out``, beside the manifest that they must agree with.

    Raises:
        UserError: They have another content_id than ``expected``.
    """
    if manifest.content_id != expected.content_id:
        raise UserError(
            f"{out}: the rebuilt weights have content_id {manifest.content_id}, the manifest says "
            f"{expected.content_id}; a parent or the code has changed, or (for training and methods on whole matrices) "
            f"the kind of processor: delete {out} and run the workflow again"
        )
    for file in folder.iterdir():
        sync(file)
        file.replace(out / file.name)
