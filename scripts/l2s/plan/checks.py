"""Checks before a run: room on the disk, a hub that answers, repositories that are open."""

import ctypes
import errno
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple


class Check(NamedTuple):
    """A check: whether it went well, and one line that says what was found and what to do."""

    good: bool
    line: str


def gigabytes(nbytes: int) -> str:
    """Write bytes as 10^9 bytes, a few of them with a decimal."""
    return f"{nbytes / 1e9:,.1f}" if 0 < nbytes < 1e10 else f"{nbytes / 1e9:,.0f}"


def check_disks(needs: Iterable[tuple[Path, int]]) -> Iterator[Check]:
    """Compare the free disk with the bytes needed in folders, which need not exist: a line for each file system."""
    places: dict[int, Path] = {}
    wanted: Counter[int] = Counter()
    for folder, need in needs:
        existing = next(path for path in [folder, *folder.absolute().parents] if path.exists())
        disk = existing.stat().st_dev
        places.setdefault(disk, existing)
        wanted[disk] += need
    for disk, place in places.items():
        need, free = wanted[disk], shutil.disk_usage(place).free
        line = f"disk: {gigabytes(need)} GB needed, {gigabytes(free)} GB free at {place}"
        refused = None if need > free else refusal(place, need)
        if refused:
            line += f", but writing as much is refused ({refused}, as by a quota)"
        good = need <= free and not refused
        yield Check(good, line if good else f"{line}; make room, or set keep_checkpoints: false")


def refusal(folder: Path, nbytes: int) -> str | None:
    """Return why so many bytes could not be written into a folder, or None; what is free does not tell quotas.

    They are reserved in a file without a name, which goes at once. Where a file system cannot reserve, they count as
    writable if a file can be made at all.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            span = ctypes.c_long(0), ctypes.c_long(nbytes)
            if nbytes and ctypes.CDLL(None, use_errno=True).fallocate(file.fileno(), 0, *span):
                code = ctypes.get_errno()
                return None if code in {errno.EOPNOTSUPP, errno.ENOSYS} else os.strerror(code)
    except OSError as error:
        return error.strerror
    return None


def check_hub(repos: Iterable[str]) -> Iterator[Check]:
    """Ask the hub for each repository; one line if it does not answer, else one for each that is not open."""
    from httpx2 import TransportError
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    repos = sorted(set(repos))
    api = HfApi()
    closed = 0
    for repo in repos:
        page = f"{api.endpoint}/{repo}"
        try:
            api.auth_check(repo)
        except GatedRepoError:
            closed += 1
            yield Check(False, f"{repo}: accept its licence at {page}, then log in with 'hf auth login'")
        except RepositoryNotFoundError:
            closed += 1
            yield Check(False, f"{repo}: not found or private; see {page}, and log in with 'hf auth login'")
        except (HfHubHTTPError, TransportError, OSError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            yield Check(False, f"hub: {api.endpoint} does not answer ({reason}); check the network or HF_ENDPOINT")
            return
    if repos and not closed:
        yield Check(True, f"hub: {len(repos)} repositories can be downloaded")
