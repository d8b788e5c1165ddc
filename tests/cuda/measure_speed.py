"""Measure how fast an engine decodes, and print it as a line of config/estimates.yaml: part of `make smoke-gpu`.

The model has a Qwen2.5 shape and random weights, which cost what trained ones cost. It ends a response only by chance,
so that nearly all use up their budget.

.venv/bin/python tests/cuda/measure_speed.py --engine vllm
"""

import importlib
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))

from synthetic import SHAPES, build_model

from l2s.checkpoints.headers import weight_files
from l2s.decoding.engines.interface import Request
from l2s.decoding.settings import DecodingEntry
from l2s.decoding.stopping import Stops
from l2s.gpus import lease

PROMPT_TOKENS = 200
CONTEXT_LENGTH = 4096


def main(
    engine: Annotated[str, typer.Option(help="transformers or vllm.")],
    shape: Annotated[str, typer.Option(help=f"One of {', '.join(SHAPES)}.")] = "1.5b",
    device: Annotated[str, typer.Option(help="cuda or cpu.")] = "cuda",
    responses: Annotated[int, typer.Option(help="Responses, decoded together as far as the engine does that.")] = 1024,
    budget: Annotated[int, typer.Option(help="Tokens of a response.")] = 512,
    count: Annotated[int, typer.Option("--gpus", help="GPUs that share the model, with vllm.")] = 1,
) -> None:
    """Decode twice, the second time for the clock."""
    if device == "cuda":
        lease(count)
    values = {"prompt": "paper", "max_new_tokens": budget, "context_length": CONTEXT_LENGTH, "dtype": "bfloat16"}
    # On a CPU compiling takes minutes.
    alone = {"vllm": {"tensor_parallel": count, "enforce_eager": device == "cpu"}} if engine == "vllm" else {}
    settings = DecodingEntry(**values, **alone, engine=engine, device=device)
    vocabulary, rng = SHAPES[shape].vocabulary, random.Random(0)
    asked = [
        Request(str(number), tuple(rng.choices(range(1, vocabulary), k=PROMPT_TOKENS)), budget, "length")
        for number in range(responses)
    ]
    with tempfile.TemporaryDirectory() as place:
        build_model(SHAPES[shape], folder := Path(place))
        started = importlib.import_module(settings.engine_module).start(
            folder, settings, Stops(frozenset({0}), (), None)
        )
        nbytes = sum(file.stat().st_size for file in weight_files(folder))
        batch = settings.batch_size or responses
        batches = [asked[first : first + batch] for first in range(0, responses, batch)]
        for _ in range(2):
            began = time.perf_counter()
            done = [one for part in started.decode(batches, lambda tokens, ended: None) for one in part]
            seconds = time.perf_counter() - began
    tokens = sum(len(one.output_ids) for one in done)
    print(f"# {engine} on {count} × {started.facts()['device']}, {responses:,} responses of {budget} tokens, bfloat16")
    print(f"  - {{up_to_gb: {nbytes / 1e9:.2g}, tokens_per_second: {tokens / seconds:.0f}}}", flush=True)


if __name__ == "__main__":
    typer.run(main)
