"""Retrain the demo pair and rewrite its benchmark questions; takes a quarter of an hour on two CPU cores."""

from pathlib import Path
from typing import Annotated

import typer

from l2s.demo.questions import (
    benchmark_rows,
    benchmark_splits,
    calibration_rows,
    training_stream,
    write_rows,
)
from l2s.jobs import run_cli

THREADS = 2
"""Fixed, because the order of floating-point sums depends on it."""


def main(
    out: Annotated[Path, typer.Option(help="Folder for quick/, slow/ and the question files.")],
    seed: Annotated[int, typer.Option(help="Seed of the questions and of the first weights.")] = 0,
) -> None:
    """Write the benchmark questions, then train the base, the quick model from it, and the slow from the quick."""
    import torch
    from transformers import Qwen2ForCausalLM

    from l2s.demo.tokenizer import build_tokenizer
    from l2s.demo.training import Phase, TrainingSettings, new_model, save_checkpoint, train_phase

    torch.set_num_threads(THREADS)
    torch.manual_seed(seed)
    splits = benchmark_splits(seed)
    out.mkdir(parents=True, exist_ok=True)
    for split, questions in splits.items():
        write_rows(out / f"{split}.jsonl", benchmark_rows(split, questions))

    held_out = {question for questions in splits.values() for question in questions}
    write_rows(out / "calibration.jsonl", calibration_rows(seed, held_out))
    tokenizer = build_tokenizer()

    def train(model: Qwen2ForCausalLM, phase: Phase) -> None:
        train_phase(model, tokenizer, phase, training_stream(seed, phase.name, phase.mixture, held_out))

    settings = TrainingSettings()
    model = new_model(tokenizer)
    train(model, settings.base)
    train(model, settings.quick)
    save_checkpoint(model, tokenizer, out / "quick")
    # Training goes on from the rounded weights, so that the task vector is exactly what training changed.
    model = Qwen2ForCausalLM.from_pretrained(out / "quick", dtype=torch.float32)
    train(model, settings.slow)
    save_checkpoint(model, tokenizer, out / "slow")


if __name__ == "__main__":
    run_cli(main)
