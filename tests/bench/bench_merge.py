"""Merging speed and memory against the floor and against mergekit, in turn in one run: ``make bench``.

The floor is what any merge must do: read both parents, write one model, digest it. Everybody reads from a warm page
cache and writes to the same disk; what is written is flushed after each run, timed apart, because that measures the
disk (our own fsync calls are left out of the run for the same reason). Ratios within one run count, not seconds.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
import yaml

ROOT = Path(__file__).resolve().parents[2]
SYNTHETIC = Path(__file__).with_name("synthetic.py")
MERGEKIT = ROOT / ".venv-mergekit" / "bin" / "mergekit-yaml"
TEMPORARY = Path(tempfile.gettempdir())
NO_FSYNC = "import os\nos.fsync = lambda descriptor: None\n"
OURS = {
    "task_arithmetic": {"method": "task_arithmetic", "scale": 0.7},
    "average": {"method": "average"},
    "ties, per tensor": {"method": "ties", "keep_fraction": 0.2},
    "ties, whole model": {"method": "ties", "keep_fraction": 0.2, "trim": "model"},
    "dare": {"method": "dare"},
    "dare_ta": {"method": "dare_ta"},
    "dare_ties": {"method": "dare_ties"},
}
THEIRS = {
    "linear": {"weight": 0.5},
    "task_arithmetic": {"weight": 0.7},
    "ties": {"weight": 1.0, "density": 0.2},
    "dare_linear": {"weight": 0.7, "density": 0.7},
}
PEER = {
    "task_arithmetic": "task_arithmetic", "average": "linear", "ties, per tensor": "ties", "ties, whole model": "ties",
    "dare": "dare_linear", "dare_ta": "dare_linear", "dare_ties": "dare_linear",
}  # fmt: skip


class Run(NamedTuple):
    """One measured command: wall and CPU seconds, peak memory in MB, and the seconds that flushing took after it."""

    wall: float
    cpu: float
    peak_mb: float
    flush: float


def measure(command: list[str], environment: dict[str, str] | None = None) -> Run:
    """Run a command with its output discarded; it must succeed."""
    os.sync()
    started = time.monotonic()
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - started
    if status:
        sys.exit(f"{' '.join(command)} failed:\n{said.decode()[-2000:]}")
    started = time.monotonic()
    os.sync()
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e3, time.monotonic() - started)


def floor(quick: Path, slow: Path, out: Path) -> Run:
    """Read both parents, copy one, digest the copy."""
    script = f"cat {quick}/*.safetensors {slow}/*.safetensors > /dev/null; cp -r {quick} {out}; sha256sum {out}/*"
    return measure(["bash", "-c", script])


def ours(recipe: dict, quick: Path, slow: Path, out: Path, work: Path) -> Run:
    """Merge with scripts/merge.py: digests, statistics and NaN checks included."""
    models = [str(quick), str(slow)] if recipe["method"] == "average" else [str(slow)]
    base = {} if recipe["method"] == "average" else {"base": str(quick)}
    (work / "recipe.yaml").write_text(yaml.safe_dump({**recipe, "models": models, **base}))
    (work / "sitecustomize.py").write_text(NO_FSYNC)
    script = str(ROOT / "scripts" / "merge.py")
    command = [sys.executable, script, "--recipe", str(work / "recipe.yaml"), "--out", str(out)]
    return measure(command, {**os.environ, "PYTHONPATH": str(work)})


def theirs(method: str, quick: Path, slow: Path, out: Path, work: Path) -> Run:
    """Merge with mergekit, its defaults but for the tokenizer, which these models have not."""
    parameters = THEIRS[method]
    models = [{"model": str(slow), "parameters": parameters}]
    if method == "linear":
        models.append({"model": str(quick), "parameters": parameters})
    config = {"merge_method": method, "models": models, "dtype": "bfloat16"}
    if method != "linear":
        config["base_model"] = str(quick)
    (work / "mergekit.yaml").write_text(yaml.safe_dump(config))
    return measure([str(MERGEKIT), str(work / "mergekit.yaml"), str(out), "--no-copy-tokenizer"])


def main(
    shape: Annotated[str, typer.Option(help="Model shape, a key of SHAPES in synthetic.py.")] = "1.5b",
    folder: Annotated[
        Path, typer.Option(help="Where models are built and written (about 15 GB for 1.5b).")
    ] = TEMPORARY,
    peers: Annotated[bool, typer.Option(help="Also run mergekit.")] = True,
) -> None:
    """Measure every method of ours, the floor and mergekit, and print the table as Markdown."""
    work = Path(tempfile.mkdtemp(prefix="bench-merge-", dir=folder))
    # In a process of its own: a child's peak memory counts from what its parent had when it was started.
    subprocess.run([sys.executable, str(SYNTHETIC), shape, str(folder / f"bench-{shape}")], check=True)
    quick, slow = (folder / f"bench-{shape}" / name for name in ("quick", "slow"))
    runs: dict[str, Run] = {}

    def add(name: str, run) -> None:
        out = work / "out"
        shutil.rmtree(out, ignore_errors=True)
        runs[name] = run(out)
        print(f"{name}: {runs[name].wall:.1f} s", file=sys.stderr, flush=True)

    add("warm-up", lambda out: floor(quick, slow, out))
    del runs["warm-up"]
    add("floor", lambda out: floor(quick, slow, out))
    for name, recipe in OURS.items():
        add(name, lambda out, recipe=recipe: ours(recipe, quick, slow, out, work))
    if peers:
        for method in THEIRS:
            add(f"mergekit {method}", lambda out, method=method: theirs(method, quick, slow, out, work))
    shutil.rmtree(work)
    print(f"\n{shape}, {os.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()}\n")
    print(table(runs))


def table(runs: dict[str, Run]) -> str:
    """Return the runs as Markdown, with their ratios to the floor and to mergekit's counterpart."""
    import pandas as pd

    rows = []
    for name, run in runs.items():
        peer = runs.get(f"mergekit {PEER[name]}") if name in PEER else None
        rows.append(
            {
                "run": name,
                "wall s": f"{run.wall:.1f}",
                "CPU s": f"{run.cpu:.1f}",
                "peak MB": f"{run.peak_mb:,.0f}",
                "flush s, apart": f"{run.flush:.1f}",
                "× floor": f"{run.wall / runs['floor'].wall:.2f}",
                "÷ mergekit": f"{run.wall / peer.wall:.3f} ({PEER[name]})" if peer else "",
            }
        )
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


if __name__ == "__main__":
    typer.run(main)
