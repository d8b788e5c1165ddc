"""Several engines that share a checkpoint's questions: processes of one job, each with devices or threads of its own.

Each gets every second, third, … batch, and hands its completions to this process, which keeps them. So the engine
transformers gives the same tokens with any number of replicas; with the engine vllm other requests run together, as in
a run that was resumed.
"""

import atexit
import multiprocessing
import traceback
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from l2s.decoding.engines.choice import start_engine
from l2s.decoding.engines.interface import Completion, Heard, Request
from l2s.decoding.settings import DecodingEntry
from l2s.decoding.stopping import Stops
from l2s.errors import UserError
from l2s.gpus import check_granted
from l2s.jobs import stop_cleanly

SECONDS_TO_END = 10.0


def start_replicas(folder: Path, settings: DecodingEntry, stops: Stops, granted: int | None) -> "Replicas":
    """Start as many engines as the settings say, each on GPUs of its own.

    Raises:
        UserError: Snakemake granted too few GPUs, an engine cannot start, or they run on different kinds of devices.
    """
    check_granted(settings.gpus, granted)
    return Replicas(folder, settings, stops)


class Replicas:
    """Engines in processes of their own, which end when this process does.

    Args:
        folder: The checkpoint's files.
        settings: Decode settings, complete as for one engine.
        stops: What ends a response.
    """

    def __init__(self, folder: Path, settings: DecodingEntry, stops: Stops) -> None:
        # Not forked: CUDA and threads do not survive that. Not daemons: those may not have vLLM's workers.
        context = multiprocessing.get_context("spawn")
        self.processes: dict[Connection, BaseProcess] = {}
        atexit.register(self.end)
        alone = settings.model_copy(update={"replicas": 1})
        for number in range(1, settings.replicas + 1):
            here, there = context.Pipe()
            process = context.Process(target=_work, args=(there, folder, alone, stops), name=f"replica {number}")
            process.start()
            there.close()
            self.processes[here] = process
        self._facts = [self._receive(connection)[1] for connection in self.processes]
        kinds = sorted({facts["device"] for facts in self._facts})
        if len(kinds) > 1:
            self.end()
            raise UserError(
                f"replicas run on {' and on '.join(kinds)}, whose last bits differ: use devices of one kind"
            )

    def facts(self) -> dict[str, Any]:
        """Return what the first engine says of itself, and how many there are."""
        return {**self._facts[0], "replicas": len(self.processes)}

    def decode(self, batches: list[list[Request]], heard: Heard) -> Iterator[list[Completion]]:
        """Decode batches, yielding each one's completions as it ends.

        Raises:
            UserError: An engine failed or was killed.
        """
        for number, connection in enumerate(self.processes):
            with suppress(BrokenPipeError):  # it is dead, which is told below
                connection.send(batches[number :: len(self.processes)])
        working = set(self.processes)
        try:
            while working:
                for connection in wait(working):
                    kind, *said = self._receive(connection)
                    if kind == "heard":
                        heard(*said)
                    elif kind == "completions":
                        yield said[0]
                    else:
                        working.discard(connection)
            for process in self.processes.values():
                process.join(SECONDS_TO_END)
        finally:
            self.end()

    def end(self) -> None:
        """End all processes."""
        for connection, process in self.processes.items():
            connection.close()
            process.terminate()
        for process in self.processes.values():
            process.join(SECONDS_TO_END)
            if process.is_alive():
                process.kill()
        atexit.unregister(self.end)

    def _receive(self, connection: Connection) -> tuple[Any, ...]:
        """Return what a process says next.

        Raises:
            UserError: That it failed; or it says nothing because it was killed.
        """
        try:
            said = connection.recv()
        except EOFError:
            process = self.processes[connection]
            process.join(SECONDS_TO_END)
            reason = f"{process.name} ended with {process.exitcode} (-9 may mean that memory ran out)"
            said = ("failed", f"{reason}; what was decoded is in the store: run again to decode the rest")
        if said[0] == "failed":
            self.end()
            raise UserError(said[1])
        return said


def _work(connection: Connection, folder: Path, settings: DecodingEntry, stops: Stops) -> None:
    """Be a replica: start an engine, decode the batches that come, and say what comes of them."""
    stop_cleanly()
    try:
        engine = start_engine(folder, settings, stops, None)
        connection.send(("ready", engine.facts()))
        batches = connection.recv()
        for completions in engine.decode(batches, lambda tokens, ended: connection.send(("heard", tokens, ended))):
            connection.send(("completions", completions))
        connection.send(("done",))
    except UserError as error:
        connection.send(("failed", str(error)))
    except (BrokenPipeError, EOFError):
        pass  # the job was killed
    except Exception as error:
        traceback.print_exc()
        connection.send(("failed", f"{type(error).__name__}: {error}; see the lines above"))
