"""Where results may go: a folder of their own, which can be written, and in which nothing else lies."""

import os
import re
from pathlib import Path

from l2s.config import PROJECT
from l2s.errors import UserError
from l2s.layout import CRATE
from l2s.occupied import MARKER

SYSTEM = tuple(map(Path, ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr")))
MEMORY = Path("/dev/shm")
SOURCES = ("config", "docs", "envs", "profiles", "scripts", "tests", "workflow")
OURS = {"questions", "checkpoints", "responses", "grades", "timings", "store", CRATE}
"""What tells a results folder that was made before there was a marker, or that came out of an archive."""
LEFT_BY_COMMANDS = {"logs", "audit"}
"""What is in a folder for which only commands have been called that need no run: plan, doctor, audit.py."""
UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f{}\"'*?]")
LONGEST, LONGEST_PART = 1000, 200  # file names of a job come below it


def check_folder(given: str, key: str) -> None:
    """Refuse a folder of the configuration that cannot be made, or that belongs to something else.

    Args:
        given: What the configuration says.
        key: The key that says it: ``results`` or ``scratch``.

    Raises:
        UserError: Names the key, the folder and the remedy.
    """
    where = f"key '{key}' of the configuration"
    too_long = len(given) > LONGEST or any(len(part.encode()) > LONGEST_PART for part in Path(given).parts)
    if UNSPEAKABLE.search(given) or given.startswith("~") or too_long:
        raise UserError(
            f"{where}: a folder's name has no braces, quotes, '*', '?' or control characters, does not begin with '~', "
            f"and has at most {LONGEST_PART} bytes in a part (found {given[:60]!r}); name another"
        )
    path = Path(given).resolve()
    if reason := _belongs_elsewhere(path) or _belongs_elsewhere(Path(os.path.abspath(given))):
        raise UserError(f"{where}: {given} {reason}; name a folder of its own, such as {key}/mine")
    above = next(folder for folder in (path, *path.parents) if folder.exists())
    if not above.is_dir():
        raise UserError(f"{where}: {given} is, or lies below, the file {above}; name a folder")
    if not os.access(above, os.W_OK | os.X_OK):
        raise UserError(f"{where}: {given} cannot be written ({above}); change its permissions or name another folder")
    if key == "results" and above == path and (foreign := _foreign(path)):
        raise UserError(f"{where}: {given} holds {foreign}, which no run has made; name an empty or a new folder")


def _belongs_elsewhere(path: Path) -> str | None:
    for root in {PROJECT, Path.cwd().resolve()}:
        if path == root or path in root.parents:
            return "is the project's own folder, or above it"
        if path.is_relative_to(root):
            first = path.relative_to(root).parts[0]
            if first in SOURCES or first.startswith("."):
                return f"lies in the project's folder {first}"
    if path == Path.home():
        return "is your home"
    if any(path.is_relative_to(folder) for folder in SYSTEM) and not path.is_relative_to(MEMORY):
        return "belongs to the system"
    return None


def _foreign(path: Path) -> str | None:
    """Return something in a folder that tells that it is no results folder; None in an empty one, or in one of ours."""
    names = {entry.name for entry in path.iterdir()} if os.access(path, os.R_OK) else set()
    return None if MARKER in names or names & OURS or names <= LEFT_BY_COMMANDS else min(names)
