"""Time, memory and disk of the response store with many long responses.

    python tests/bench/bench_store.py --responses 100000 --tokens 10000 --folder FOLDER

Made-up token ids, kept 256 responses at a time as an engine yields them, then read by another process in another order.
Needs 3 bytes of disk for each token.
"""

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from l2s.decoding.engines.interface import Completion
from l2s.decoding.store import ResponseStore

AT_ONCE = 256
VOCABULARY = 50_000


def main(
    responses: Annotated[int, typer.Option(help="Responses.")] = 100_000,
    tokens: Annotated[int, typer.Option(help="Tokens of each.")] = 10_000,
    folder: Annotated[Path, typer.Option(help="Where the store is made; removed at the end.")] = Path("bench-store"),
    part: Annotated[str, typer.Option(help="What a process of its own does.", hidden=True)] = "",
) -> None:
    """Print seconds, peak memory and disk of writing and of reading."""
    if part:
        {"write": write, "read": read}[part](folder, responses, tokens)
        return
    options = ["--responses", str(responses), "--tokens", str(tokens), "--folder", str(folder)]
    for name in ("write", "read"):
        subprocess.run([sys.executable, __file__, *options, "--part", name], check=True)
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


def tell(what: str, started: float, found: str) -> None:
    """Print what was done, in how long, and the most memory that the process had."""
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(line for line in status if line.startswith("VmHWM")).split()[1]
    print(f"{what}: {time.monotonic() - started:.0f} s, peak {int(peak) / 1e6:.2f} GB, {found}", flush=True)


if __name__ == "__main__":
    typer.run(main)
