"""What the first machine with a GPU should show, in one go: `make smoke-gpu`. Ends with a line to paste into an issue.

doctor     what jobs find on the machine
merges     merges and calibrations are the CPU's, a leased GPU is the only one that torch sees
engines    vLLM's tokens are transformers', seeds are followed, a killed job resumes, the workflow runs; on two GPUs by
           stages where there are two
speed      tokens a second of both engines, in the form of config/estimates.yaml; on two GPUs by tensor parallelism
           where there are two

--device cpu runs all but the first two, on a small model, with vLLM's build for CPUs.
"""

import os
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from l2s import gpus
from l2s.plan.machine import describe

ROOT = Path(__file__).resolve().parents[2]
PYTEST = ["-m", "pytest", "-rA"]
SPEED = "tests/cuda/measure_speed.py"
SMALL = ["--device", "cpu", "--shape", "small", "--responses", "8", "--budget", "16"]
MEASURED = re.compile(r"tokens_per_second: (\d+)")


def run(name: str, *arguments: str, device: str) -> tuple[bool, str]:
    """Run a part with this Python, showing what it prints; return whether it went well, and its output."""
    print(f"\n== {name}: {' '.join(arguments)}", flush=True)
    command = [sys.executable, *arguments]
    environment = {**os.environ, "L2S_DEVICE": device}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        lines = []
        for line in running.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return running.returncode == 0, "".join(lines)


def machine(device: str) -> str:
    """Return what this machine and its packages are, in some words."""
    found = describe() if device == "cuda" else []
    kinds = f"{len(found)} × {found[0].kind}, driver {found[0].driver}" if found else "no GPU"
    described = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(described, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers"))
    return f"{commit.strip() or 'no commit'}, {kinds}, Python {platform.python_version()}, {packages}"


def main(device: Annotated[str, typer.Option(help="cuda or cpu.")] = "cuda") -> None:
    """Run every part, also after one that failed; a status of 1 if one did."""
    parts = {}
    if device == "cuda":
        parts["doctor"] = ["scripts/doctor.py"]
        parts["merges"] = [*PYTEST, "tests/cuda"]
    parts["engines"] = [*PYTEST, "tests/vllm"]
    options = SMALL if device == "cpu" else []
    parts["speed of transformers"] = [SPEED, "--engine", "transformers", *options]
    parts["speed of vllm"] = [SPEED, "--engine", "vllm", *options]
    if device == "cuda" and gpus.count() > 1:
        parts["speed of vllm on two"] = [SPEED, "--engine", "vllm", "--gpus", "2"]
    said, failed = [], 0
    for name, arguments in parts.items():
        good, output = run(name, *arguments, device=device)
        measured = MEASURED.search(output)
        said.append(f"{name} {f'{measured[1]} tokens/s' if good and measured else 'good' if good else 'FAILED'}")
        failed += not good
    print(f"\nTo paste into an issue:\nsmoke-gpu: {machine(device)}: {'; '.join(said)}")
    sys.exit(failed > 0)


if __name__ == "__main__":
    typer.run(main)
