"""Thresholding and truncating singular values against a full decomposition, in turn in one run: ``make bench``.

The first matrix is noise plus rank 200, in float32; the error is relative, in the Frobenius norm, to the same with a
decomposition in float64. The other tables are what LoRE and Twin take for the matrices of a 7B model, in seconds of one
thread, measured one by one on task vectors that are noise, noise and a few large singular values (float32 is enough
without these), or noise and more of them than are taken out (float64 is needed), and the sum over the model's matrices,
divided by the cores, which is an extrapolation: matrices are merged side by side, except for those of the vocabulary.
"""

import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer
from synthetic import SHAPES

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from l2s.merging.engine.contract import Chunk
from l2s.merging.engine.recipe import parse_method
from l2s.merging.engine.spectra import threshold, truncate
from l2s.merging.engine.values import torch_threads
from l2s.progress import clock

ROWS, COLUMNS, RANK, NOISE = 1536, 8960, 200, 0.01
REPEATS = 3
SHIFT = 0.0004  # standard deviation of the random task vectors
LARGE_RANKS, LARGE = (0, 16, 200), 30  # how many large singular values, and how much larger than the noise's they are
MERGED = ({"method": "lore"}, {"method": "twin"})


def noise_plus_low_rank() -> torch.Tensor:
    """Return a matrix with RANK large singular values."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    return NOISE * (normal(ROWS, COLUMNS) + normal(ROWS, RANK) @ normal(RANK, COLUMNS))


def seconds(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the shortest of some runs."""
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


def against_decomposition() -> pd.DataFrame:
    """Measure both operations, and a full decomposition with the product that puts the matrix together again."""
    matrix = noise_plus_low_rank()

    def full() -> torch.Tensor:
        left, values, right = torch.linalg.svd(matrix, full_matrices=False)
        return (left * values) @ right

    base = seconds(full)
    left, values, right = torch.linalg.svd(matrix.double(), full_matrices=False)
    middle = float(values[RANK : RANK + 2].mean())
    operations = {
        "threshold above the noise": (lambda m: threshold(m, middle), (values - middle).clamp(min=0)),
        "threshold below the noise": (lambda m: threshold(m, 0.1), (values - 0.1).clamp(min=0)),
        "threshold within the noise": (lambda m: threshold(m, 1.0), (values - 1.0).clamp(min=0)),
        "rank, a tenth": (lambda m: truncate(m, ROWS // 10), values * (torch.arange(ROWS) < ROWS // 10)),
        "rank, a half": (lambda m: truncate(m, ROWS // 2), values * (torch.arange(ROWS) < ROWS // 2)),
    }
    rows = [{"operation": "torch.linalg.svd and product", "seconds": f"{base:.2f}", "faster by": "", "error": ""}]
    for name, (operation, kept) in operations.items():
        taken = seconds(lambda operation=operation: operation(matrix.clone()))
        found, exact = matrix.clone(), (left * kept) @ right
        operation(found)
        error = float(torch.linalg.norm(found.double() - exact) / torch.linalg.norm(exact))
        rows.append(
            {"operation": name, "seconds": f"{taken:.2f}", "faster by": f"{base / taken:.1f}", "error": f"{error:.1e}"}
        )
    return pd.DataFrame(rows)


def merged_seconds(recipe: dict, shape: tuple[int, int], rank: int) -> float:
    """Return what a method's merge of one random matrix takes of one thread, in CPU seconds."""
    method = parse_method(recipe, "bench")
    generator = torch.Generator().manual_seed(0)
    quick = torch.randn(shape[0] * shape[1], generator=generator).mul_(0.02)
    vector = torch.randn(*shape, generator=generator).mul_(SHIFT)
    if rank:
        left, right = (torch.randn(side, rank, generator=generator) for side in shape)
        # The noise's largest singular value is near SHIFT times the sum of the roots of its sides, that of a product of
        # normal matrices near the product of these roots.
        roots = [side**0.5 for side in shape]
        vector.addmm_(left, right.T, alpha=LARGE * SHIFT * sum(roots) / (roots[0] * roots[1]))
    slow = vector.view(-1).add_(quick)
    models = [slow] if method.needs_base else [quick, slow]
    chunk = Chunk("matrix", shape, 0, quick if method.needs_base else None, models)
    with torch_threads(1):
        started = time.process_time()
        method.merge(chunk, None)
        return time.process_time() - started


def of_a_model(name: str, rank: int) -> pd.DataFrame:
    """Measure each shape of a model's layers, and add up over its matrices."""
    shape = SHAPES[name]
    matrices = [size for _, size in shape.tensors() if len(size) > 1]
    vocabulary = (shape.vocabulary, shape.hidden)
    long, longer = (shape.intermediate, shape.hidden), (2 * shape.intermediate, shape.hidden)
    rows = []
    for recipe in MERGED:
        taken = {size: merged_seconds(recipe, size, rank) for size in sorted(set(matrices) - {vocabulary})}
        # The longer side enters linearly.
        slope = (merged_seconds(recipe, longer, rank) - taken[long]) / (longer[0] - long[0])
        taken[vocabulary] = taken[long] + slope * (vocabulary[0] - long[0])
        total = sum(taken[size] for size in matrices)
        shown = {f"{rows} × {columns}": f"{taken[rows, columns]:.1f} s" for rows, columns in taken}
        rows.append({"method": recipe["method"], **shown, f"{len(matrices)} matrices": clock(total / os.cpu_count())})
    return pd.DataFrame(rows)


def main(model: Annotated[str, typer.Option(help="Model shape, a key of SHAPES in synthetic.py.")] = "7b") -> None:
    """Print the tables as Markdown."""
    print(f"{os.cpu_count()} cores, {platform.platform()}, torch {torch.__version__}")
    print(f"\n{ROWS} × {COLUMNS}, noise plus rank {RANK}\n")
    print(against_decomposition().to_markdown(index=False, disable_numparse=True))
    for rank in LARGE_RANKS:
        print(f"\nA {model} model, noise and rank {rank}; the last shape and the sum are extrapolated\n")
        print(of_a_model(model, rank).to_markdown(index=False, disable_numparse=True), flush=True)


if __name__ == "__main__":
    typer.run(main)
