"""Reading and writing files; nothing half-written looks whole: write beside, fsync, rename."""

import glob
import hashlib
import json
import os
import platform
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from l2s.errors import UserError

READ_BYTES = 1 << 22


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is synced and renamed to ``path``, else removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        sync(partial)
        partial.chmod(0o666 & ~_umask())
        partial.replace(path)
        sync(path.parent)
    except OSError as error:
        if error.filename is None and error.errno:  # a full disk does not say where
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``folder``; on success it takes the place of ``folder``, else it is removed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder)
    partial = Path(tempfile.mkdtemp(prefix=_partial_prefix(folder), suffix=".partial", dir=folder.parent))
    try:
        yield partial
        for file in partial.iterdir():
            sync(file)
        partial.chmod(0o777 & ~_umask())
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
        sync(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def temporary_folder(parent: Path, name: str) -> Iterator[Path]:
    """Yield an empty folder in ``parent`` and remove it at the end; killed processes' ones of that name go first."""
    parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(parent / name)
    folder = Path(tempfile.mkdtemp(prefix=_partial_prefix(parent / name), suffix=".partial", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def own_folder(path: Path) -> Path:
    """Return a folder of this user's own in a place that everybody can write to, made if it is not there.

    Raises:
        UserError: Something lies there that another user made or could change.
    """
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o022:
        raise UserError(f"{path}: another user made it or could change it, and could meddle; have it removed")
    return path


def _umask() -> int:
    """Return this process's umask, which only the kernel tells without changing it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("Umask:")).split()[1], 8)


def _partial_prefix(folder: Path) -> str:
    """Return how temporary folders of this process begin that stand for ``folder``."""
    return f".{folder.name}.{platform.node()}.{os.getpid()}."


def _remove_abandoned(folder: Path) -> None:
    """Remove what killed processes of this machine left beside ``folder``."""
    for partial in folder.parent.glob(f".{glob.escape(folder.name)}.{platform.node()}.*.partial"):
        process = partial.name.removeprefix(f".{folder.name}.{platform.node()}.").split(".")[0]
        if not Path("/proc", process).exists():
            shutil.rmtree(partial, ignore_errors=True)


def sync(path: Path) -> None:
    """Flush a file's or folder's data to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically, as UTF-8."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")


def canonical_json(value: Any) -> str:
    """Return the one JSON text of ``value``: sorted keys, no spaces, so that equal values have equal digests."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest_of(value: Any) -> str:
    """Return the sha256 hex digest of the canonical JSON of ``value``."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the sha256 hex digest of a file, read in pieces of 4 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Args:
        path: The file.
        remedy: What to do about a damaged one, e.g. ``fetch the model again``; the end of the error's sentence.

    Raises:
        UserError: It is missing, is not JSON in UTF-8, or holds something else than an object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON ({error}); {remedy}") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: not valid JSON (not an object); {remedy}")
    return value


def pretty_json(value: Any) -> str:
    """Return the JSON text of ``value`` for people: sorted keys, indented, ending in a newline."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
