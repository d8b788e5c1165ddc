"""Flip bits of Parquet files, one at a time, and count what becomes of reading them (docs/reliability.md).

    python tests/bench/flip_bytes.py results/demo/grades/*/*/*/*/*.parquet

Each file is written anew, as the workflow writes it, and with ``--plain`` as pyarrow does by itself.
"""

import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated

import pyarrow.parquet as pq
import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from l2s.contracts.parquet import read_table, write_table


def main(
    files: Annotated[list[Path], typer.Argument(help="Parquet files.")],
    flips: Annotated[int, typer.Option(help="Flipped bits a file, in bytes drawn by a fixed seed.")] = 1000,
    plain: Annotated[bool, typer.Option("--plain", help="Write and read without checksums.")] = False,
) -> None:
    """Print for each file how many flips were refused, changed nothing, or changed a value unseen."""
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            print(f"{file}: {dict(sorted(count(file, flips, plain, Path(folder)).items()))}", flush=True)


def count(file: Path, flips: int, plain: bool, folder: Path) -> Counter:
    """Return what became of each flip."""
    table = pq.read_table(file)
    written, damaged, drawn = folder / "written.parquet", folder / "damaged.parquet", random.Random(0)
    pq.write_table(table, written, compression="zstd") if plain else write_table(table, written)
    data = written.read_bytes()
    outcomes = Counter()
    for _ in range(flips):
        changed = bytearray(data)
        changed[drawn.randrange(len(data))] ^= 1 << drawn.randrange(8)
        damaged.write_bytes(changed)
        outcomes[outcome(table, damaged, plain)] += 1
    return outcomes


def outcome(table, damaged: Path, plain: bool) -> str:
    """Return ``refused``, ``nothing`` or ``unseen``."""
    try:
        read = pq.read_table(damaged) if plain else read_table(damaged, table.schema)
        same = read.select(table.column_names).cast(table.schema).equals(table)
    except Exception:
        return "refused"
    return "nothing" if same else "unseen"


if __name__ == "__main__":
    typer.run(main)
