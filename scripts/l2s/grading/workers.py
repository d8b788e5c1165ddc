"""Calls that may hang, explode or crash, each in a worker process with limits on its time and its memory.

A call that breaks a limit costs its own result and nothing else: its worker is killed, and another one takes its
place. The limits hold from outside, whatever the worker is busy with; a signal inside it would have to wait for the
end of a long operation on large numbers.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from pebble import ProcessExpired, ProcessPool

SECONDS_BETWEEN_LOOKS = 0.05
CALLS_BEFORE_RENEWAL = 2000  # a worker's caches grow with what it has seen
CALLS_WAITING = 256  # texts are long: not all of them are queued at once
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Limits(NamedTuple):
    """What one call may use: seconds of wall-clock time, bytes of memory beyond what its worker starts with."""

    seconds: float
    bytes: int


class Ended(NamedTuple):
    """How a call ended: its value, or, if it has none, whether it took too long, and what the fault was."""

    value: Any = None
    timed_out: bool = False
    fault: str | None = None


def call_each(
    function: Callable[..., Any], arguments: Iterable[tuple], workers: int, limits: Limits
) -> Iterator[Ended]:
    """Call ``function(*arguments)`` in worker processes and yield how each call ended, in their order.

    Args:
        function: A function of a module, so that workers find it.
        arguments: The arguments of each call.
        workers: Number of worker processes.
        limits: What each call may use.
    """
    # Forked, because a spawned worker would run the calling script again (Snakemake's job scripts are no modules), and
    # because a killed worker must be replaced at once. Workers touch nothing of the parent that has threads.
    context = multiprocessing.get_context("fork")
    pool = ProcessPool(max_workers=workers, max_tasks=CALLS_BEFORE_RENEWAL, context=context)
    rest = iter(arguments)
    try:
        with _killed_when_large(limits.bytes):
            pending = [pool.schedule(function, args, timeout=limits.seconds) for args in islice(rest, CALLS_WAITING)]
            for position, future in enumerate(pending):
                yield _ended(future)
                pending[position] = None  # its result may be large
                pending.extend(pool.schedule(function, args, timeout=limits.seconds) for args in islice(rest, 1))
        pool.close()
    finally:
        pool.stop()
        pool.join()


def _ended(future: Any) -> Ended:
    try:
        return Ended(future.result())
    except FutureTimeout:
        return Ended(timed_out=True, fault="took too long")
    except ProcessExpired as error:
        return Ended(fault=f"its process was killed or crashed (exit code {error.exitcode})")
    except Exception as error:  # sympy raises nearly anything on what models write
        return Ended(fault=f"{type(error).__name__}: {str(error)[:200]}")


@contextmanager
def _killed_when_large(allowance: int) -> Iterator[None]:
    """Kill every child of this process, while the block runs, that takes more memory than this process and so much."""
    stop = threading.Event()
    limit = _resident_bytes(os.getpid()) + allowance

    def watch() -> None:
        while not stop.wait(SECONDS_BETWEEN_LOOKS):
            for child in multiprocessing.active_children():
                if _resident_bytes(child.pid) > limit:
                    child.kill()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    except OSError:
        return 0  # it has ended
