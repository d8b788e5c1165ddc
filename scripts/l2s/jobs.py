"""How a script runs: as a Snakemake job, or by hand from the command line."""

import errno
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TextIO

from l2s import STOPPED
from l2s.errors import UserError, first_line
from l2s.occupied import join
from l2s.secrets import Hiding, without_tokens

# Faults of a path or a disk that a user can correct, and how. Any other is a fault of the program, with its traceback.
REMEDIES = {
    errno.EROFS: "choose another place",
    errno.EACCES: "change its permissions or choose another place",
    errno.EPERM: "change its permissions or choose another place",
    errno.EISDIR: "name a file",
    errno.ENOTDIR: "name a folder, or a file in one",
    errno.EEXIST: "move it or choose another place",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOSPC: "make room and run again",
    errno.EDQUOT: "make room and run again",
}


def hide_tokens() -> None:
    """Hide access tokens in all that this process prints from now on."""
    sys.stdout, sys.stderr = Hiding(sys.stdout), Hiding(sys.stderr)


def stop_cleanly() -> None:
    """Let a SIGTERM unwind like Ctrl-C does, so that temporary files go."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


@contextmanager
def clear_path_errors() -> Iterator[None]:
    """Turn what a user can correct about a path or a disk into a UserError that names it."""
    try:
        yield
    except OSError as error:
        if error.errno not in REMEDIES:
            raise
        # Of two paths, as in a renaming, the second is where something is to go. Some libraries name it in their text.
        path = error.filename2 or error.filename
        raise UserError(f"{f'{path}: ' if path else ''}{error.strerror}; {REMEDIES[error.errno]}") from error


def show_warnings(*streams: TextIO) -> None:
    """Print the library's warnings to each of the streams, as one line each."""
    for stream in streams:
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter("warning: %(message)s"))
        logging.getLogger("l2s").addHandler(handler)


def run_job(main: Callable[..., Any], job: Any, **arguments: Any) -> None:
    """Run ``main`` as the Snakemake job ``job``, with everything that it prints going to the job's log.

    An error, and a warning, also goes to Snakemake's own output, as one line without a traceback.
    """
    stop_cleanly()
    join(Path(job.config["results"]))
    terminal = os.dup(2)
    log = Path(job.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as stream:
        # On the level of descriptors, so that compiled libraries and child processes are caught as well.
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)
    hide_tokens()
    show_warnings(sys.stderr, Hiding(os.fdopen(os.dup(terminal), "w")))
    try:
        with clear_path_errors():
            main(**arguments)
    except KeyboardInterrupt:
        # Snakemake got it as well, and says so.
        print(STOPPED)
        sys.exit(130)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        os.write(terminal, without_tokens(f"error: {error}\n").encode(errors="backslashreplace"))
        sys.exit(1)
    except Exception as error:
        said = without_tokens(f"error: {type(error).__name__}: {first_line(error)}; {log} has more\n")
        os.write(terminal, said.encode(errors="backslashreplace"))
        raise


def run_in_terminal(main: Callable[..., Any], *arguments: Any) -> None:
    """Run ``main`` as a Snakemake job whose words are meant for the terminal: there is no log."""
    sys.stdout.reconfigure(line_buffering=True)
    hide_tokens()
    try:
        with clear_path_errors():
            main(*arguments)
    except UserError as error:
        sys.exit(without_tokens(f"error: {error}"))


def run_cli(main: Callable[..., Any]) -> None:
    """Run ``main`` with options from the command line, made from its signature."""
    import typer

    stop_cleanly()
    hide_tokens()
    show_warnings(sys.stderr)
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(_stoppable(main))
    try:
        with clear_path_errors():
            app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def _stoppable(main: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``main`` so that Ctrl-C ends it with one line; typer itself says only "Aborted"."""

    @wraps(main)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return main(*arguments, **options)
        except KeyboardInterrupt:
            print(STOPPED, file=sys.stderr)
            sys.exit(130)

    return run
