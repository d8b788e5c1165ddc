"""How a script runs: as a Snakemake job, or by hand from the command line."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from l2s.errors import UserError


def stop_cleanly() -> None:
    """Let a SIGTERM unwind like Ctrl-C does, so that temporary files go."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def run_job(main: Callable[..., Any], job: Any, **arguments: Any) -> None:
    """Run ``main`` as the Snakemake job ``job``, with everything that it prints going to the job's log.

    A user error also goes to Snakemake's own output, as one line without a traceback.
    """
    stop_cleanly()
    terminal = os.dup(2)
    log = Path(job.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as stream:
        # On the level of descriptors, so that compiled libraries and child processes are caught as well.
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)
    try:
        main(**arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        os.write(terminal, f"error: {error}\n".encode())
        sys.exit(1)


def run_cli(main: Callable[..., Any]) -> None:
    """Run ``main`` with options from the command line, made from its signature."""
    import typer

    stop_cleanly()
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(main)
    try:
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
