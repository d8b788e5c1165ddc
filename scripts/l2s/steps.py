"""Scripts that start other scripts: a checkpoint's files that are not there are made again by the step that made them.

Each runs in a process of its own, because stages meet only in files. Only scripts import this module.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from l2s.checkpoints.weights import FETCHERS, REBUILDERS
from l2s.config import PROJECT


def register_steps() -> None:
    """Let ``l2s.checkpoints.weights`` fetch, merge and train by the scripts that do so."""
    scripts = {"fetched": "fetch_model.py", "merged": "merge.py", "trained": "train.py"}
    REBUILDERS.update({kind: _rebuilder(script) for kind, script in scripts.items()})
    FETCHERS["hub"] = _fetch


def _rebuilder(script: str) -> Callable[[Path, Path | None], None]:
    def rebuild(manifest: Path, into: Path | None) -> None:
        _run_script(script, "--rebuild", str(manifest), *(["--into", str(into)] if into else []))

    return rebuild


def _fetch(source: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        _run_script("fetch_model.py", "--source", source, "--out", scratch)


def _run_script(script: str, *arguments: str) -> None:
    """Run a step; what it prints is seen, and what it did not make is missed by who asked for it."""
    subprocess.run([sys.executable, str(PROJECT / "scripts" / script), *arguments], check=False)
