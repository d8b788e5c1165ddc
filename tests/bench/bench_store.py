"""Time, memory and disk of the response store, and of a whole decode session, with many responses.

    python tests/bench/bench_store.py --responses 100000 --tokens 10000 --folder FOLDER
    python tests/bench/bench_store.py --what session --responses 1000000 --samples 10 --tokens 20 --folder FOLDER

Made-up token ids, kept 256 responses at a time as an engine yields them, then read by another process in another order.
Needs 3 bytes of disk for each token. The session asks questions of 150 tokens, decodes them with an engine that
makes tokens up, and writes its table; another process then finds all of it in the store. It needs a model's tokenizer.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from l2s.contracts.parquet import write_tables
from l2s.contracts.responses import RESPONSES
from l2s.decoding.engines.interface import Completion, Heard, Request
from l2s.decoding.model import read_model
from l2s.decoding.prompts import Prompt
from l2s.decoding.session import Question, Session
from l2s.decoding.settings import DecodingEntry, PromptEntry
from l2s.decoding.stopping import Stops
from l2s.decoding.store import ResponseStore

MODEL = Path(__file__).resolve().parents[2] / "workflow" / "resources" / "demo" / "slow"
AT_ONCE = 256
VOCABULARY = 50_000
WORDS = 150  # of a question


class What(StrEnum):
    """What is measured."""

    STORE = "store"
    SESSION = "session"


def main(
    responses: Annotated[int, typer.Option(help="Responses.")] = 100_000,
    tokens: Annotated[int, typer.Option(help="Tokens of each.")] = 10_000,
    folder: Annotated[Path, typer.Option(help="Where the store is made; removed at the end.")] = Path("bench-store"),
    samples: Annotated[int, typer.Option(help="Responses to each question of a session.")] = 1,
    what: Annotated[What, typer.Option(help="The store alone, or a session with it.")] = What.STORE,
    model: Annotated[Path, typer.Option(help="Folder of the model whose tokenizer the session has.")] = MODEL,
    part: Annotated[str, typer.Option(help="What a process of its own does.", hidden=True)] = "",
) -> None:
    """Print seconds, peak memory and disk of writing and of reading."""
    if part:
        chosen = {"write": write, "read": read, "session": partial(session, model, samples)}
        chosen[part](folder, responses, tokens)
        return
    for name in ("write", "read") if what == What.STORE else ("session", "session"):
        subprocess.run([sys.executable, *sys.argv, "--part", name], check=True)
    shutil.rmtree(folder)


def opened(folder: Path) -> ResponseStore:
    """Return the store."""
    return ResponseStore(folder, "0" * 64, {})


def write(folder: Path, responses: int, tokens: int) -> None:
    """Keep responses."""
    started, draw = time.monotonic(), np.random.default_rng(0)
    store = opened(folder)
    with store.locked():
        for first in range(0, responses, AT_ONCE):
            numbers = range(first, min(first + AT_ONCE, responses))
            ids = draw.integers(0, VOCABULARY, (len(numbers), tokens), dtype=np.int32).tolist()
            store.add(Completion(f"{n:064}", tuple(one), "stop") for n, one in zip(numbers, ids, strict=True))
    files = list(store.folder.glob("*.parquet"))
    size = sum(file.stat().st_size for file in files)
    tell("written", started, f"{len(files)} files, {size / 1e9:.1f} GB")


def read(folder: Path, responses: int, tokens: int) -> None:
    """Read all in an order of their own."""
    started = time.monotonic()
    store = opened(folder)
    tell("opened", started, f"{len(store.known):,} responses")
    order = np.random.default_rng(1).permutation(responses)
    count = sum(len(one.output_ids) for one in store.read(f"{n:064}" for n in order))
    tell("read", started, f"{count:,} tokens")


class MadeUp:
    """An engine that makes tokens up."""

    def __init__(self, vocabulary: int, tokens: int) -> None:
        self.vocabulary, self.tokens, self.draw = vocabulary, tokens, np.random.default_rng(0)

    def facts(self) -> dict[str, str]:
        """Return the device."""
        return {"device": "none"}

    def decode(self, batches: list[list[Request]], heard: Heard) -> Iterator[list[Completion]]:
        """Yield completions of all requests."""
        for first in range(0, len(batches), AT_ONCE):
            requests = [one for batch in batches[first : first + AT_ONCE] for one in batch]
            ids = self.draw.integers(0, self.vocabulary, (len(requests), self.tokens)).tolist()
            heard(self.tokens * len(requests), len(requests))
            yield [Completion(one.key, tuple(row), "stop") for one, row in zip(requests, ids, strict=True)]


def session(model: Path, samples: int, folder: Path, responses: int, tokens: int) -> None:
    """Ask, decode what is not in the store, and write the table."""
    started = time.monotonic()
    fixed = {"prompt": "p", "engine": "vllm", "device": "cpu", "dtype": "float32"}
    settings = DecodingEntry(**fixed, max_new_tokens=tokens, sampling={"temperature": 1.0, "samples": samples})
    known = read_model(model, settings)
    stops = Stops.of(known.tokenizer, known.stop_ids, ())
    words = np.random.default_rng(0).integers(0, len(known.tokenizer), (responses // samples, WORDS), dtype=np.int32)
    questions = [Question("made-up", str(n), known.tokenizer.decode(row.tolist())) for n, row in enumerate(words)]
    tell("questions made", started, f"{len(questions):,}")
    prompt = Prompt(PromptEntry(template="Question: {question}\nAnswer:"), known.tokenizer)
    engine = MadeUp(len(known.tokenizer), tokens)
    store = opened(folder)
    tell("opened", started, f"{len(store.known):,} responses")
    asked = Session(known.context_length, settings, prompt, stops, store, [questions])
    asked.fill(lambda: engine)
    tell("decoded", started, f"{asked.facts['decoded_now']:,} responses")
    tell("written", started, f"{write_tables(asked.tables(), RESPONSES, folder / 'responses.parquet'):,} rows")


def tell(what: str, started: float, found: str) -> None:
    """Print what was done, in how long, and the most memory that the process had."""
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(line for line in status if line.startswith("VmHWM")).split()[1]
    print(f"{what}: {time.monotonic() - started:.0f} s, peak {int(peak) / 1e6:.2f} GB, {found}", flush=True)


if __name__ == "__main__":
    typer.run(main)
