"""Checks before a run: room on the disk, a hub that answers, repositories that are open."""

import shutil
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
        yield Check(need <= free, line if need <= free else f"{line}; make room, or set keep_checkpoints: false")


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
