"""Retrain the adapter of the demo with a real model and rewrite its questions; takes half an hour on one CPU core."""

from pathlib import Path
from typing import Annotated

import typer

from l2s.checkpoints.tokenizer import load_tokenizer
from l2s.checkpoints.weights import find_weights
from l2s.config import entry_option
from l2s.decoding.prompts import Prompt
from l2s.decoding.settings import PromptEntry
from l2s.demo.questions import write_rows
from l2s.demo.word_problems import benchmark_rows, benchmark_splits, calibration_rows, training_stream
from l2s.jobs import run_cli

THREADS = 1
"""Fixed, because the order of floating-point sums depends on it."""
PROMPT = "chat-brief"


def main(
    model: Annotated[str, typer.Option(help="The quick model: its manifest.json, or a folder.")],
    out: Annotated[Path, typer.Option(help="Folder for adapter/ and the question files.")],
    seed: Annotated[int, typer.Option(help="Seed of the questions and of the first adapter.")] = 0,
) -> None:
    """Write the benchmark questions and the calibration data, then train the adapter over the quick model."""
    import torch

    from l2s.demo.adapter import AdapterSettings, train_adapter

    splits = benchmark_splits(seed)
    out.mkdir(parents=True, exist_ok=True)
    for split, problems in splits.items():
        write_rows(out / f"{split}.jsonl", benchmark_rows(split, problems))
    held_out = {problem.text for problems in splits.values() for problem in problems}
    write_rows(out / "calibration.jsonl", calibration_rows(seed, held_out))

    torch.set_num_threads(THREADS)
    torch.manual_seed(seed)
    folder = find_weights(model)
    tokenizer = load_tokenizer(folder)
    prompt = Prompt(entry_option("prompts", PromptEntry, "the demo")(PROMPT).entry, tokenizer)
    validation = [(problem.text, problem.response(checks=1)) for problem in splits["validation"]]
    train_adapter(
        folder,
        tokenizer,
        lambda question: prompt.text("", question),
        training_stream(seed, held_out),
        validation,
        out / "adapter",
        AdapterSettings(),
    )


if __name__ == "__main__":
    run_cli(main)
