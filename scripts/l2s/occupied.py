"""Who works in a results folder: a marker file says that this workflow made it, and is locked while it is in use.

A run, and each of its jobs, holds the marker together with others; what deletes holds it alone. The kernel drops a lock
when its holder dies, so that a killed run leaves none behind.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from l2s.errors import UserError

MARKER = ".long2short"
_held: dict[Path, int] = {}
"""Descriptors that stay open, and with them their locks, until this process ends."""


def occupy(results: Path, project: Path) -> None:
    """Mark a results folder as this workflow's, and hold it until this process ends.

    Args:
        results: The folder, which is made if it does not exist.
        project: The project whose run it is.

    Raises:
        UserError: A run of another copy of the project works in it, or it is being pruned.
    """
    results.mkdir(parents=True, exist_ok=True)
    path = results / MARKER
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    if _lock(descriptor, fcntl.LOCK_EX):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{project}\n".encode(), 0)
    elif (other := path.read_text(encoding="utf-8").strip()) != str(project):
        os.close(descriptor)
        raise UserError(
            f"{results}: a run of {other or 'another copy of the project'} works in it; wait for its end, or give this "
            "configuration another folder under 'results'"
        )
    if not _lock(descriptor, fcntl.LOCK_SH):
        os.close(descriptor)
        raise UserError(f"{results}: is being pruned; run again when that has ended")
    _held[path] = descriptor


def join(results: Path) -> None:
    """Hold a marked results folder together with its run, until this process ends; wait while it is being pruned."""
    path = results / MARKER
    if path not in _held and path.is_file():
        descriptor = os.open(path, os.O_RDONLY)
        _lock(descriptor, fcntl.LOCK_SH, wait=True)
        _held[path] = descriptor


@contextmanager
def alone(results: Path) -> Iterator[None]:
    """Hold a results folder alone, so that no run or job works in it.

    Raises:
        UserError: One does, or the folder is not marked as this workflow's.
    """
    path = results / MARKER
    if not path.is_file():
        raise UserError(f"{results}: has no file {MARKER}, by which a run marks its results: nothing is deleted there")
    descriptor = os.open(path, os.O_RDWR)
    try:
        if not _lock(descriptor, fcntl.LOCK_EX):
            raise UserError(f"{results}: a run or one of its jobs works in it; prune when it has ended")
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, kind: int, wait: bool = False) -> bool:
    """Lock an open file, and say whether that was possible; on a file system without locks there is nothing to do."""
    try:
        fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
