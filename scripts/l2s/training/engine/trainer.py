"""TRL's DPOTrainer, on token ids that we make, with checkpoints that are known to be whole.

This module imports the training libraries; methods import it inside functions only.
"""

import math
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import PrinterCallback, TrainerCallback
from transformers.utils.logging import disable_progress_bar
from trl import DPOConfig, DPOTrainer

from l2s.checkpoints.whole_model import load_whole
from l2s.errors import UserError
from l2s.files import sync, write_text
from l2s.progress import Progress

CHECKPOINT = "checkpoint-"
WHOLE_NAME = "whole"  # lies in a checkpoint that was written to its end
METRIC = "eval_loss"
COMPARED = (METRIC, "eval_rewards/accuracies", "eval_rewards/margins", "eval_logps/chosen", "eval_logps/rejected")


class Outcome(NamedTuple):
    """How a training went.

    Attributes:
        best: Folder of the checkpoint with the least validation loss.
        facts: The values of every checkpoint, by step, the step chosen, and where the run resumed.
    """

    best: Path
    facts: dict[str, Any]


class PreferenceTrainer(DPOTrainer):
    """A DPOTrainer whose data sets hold token ids already: ``prompt_ids``, ``chosen_ids``, ``rejected_ids``.

    TRL would tokenise prompt and answer as one text, with special tokens: not what a model sees when it decodes.
    """

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.remove_callback(PrinterCallback)
        self.add_callback(Watch())

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset

    def run(self) -> Outcome:
        """Train, from the last whole checkpoint if there is one, and compare the checkpoints."""
        folder = Path(self.args.output_dir)
        whole = [int(mark.parent.name.removeprefix(CHECKPOINT)) for mark in folder.glob(f"{CHECKPOINT}*/{WHOLE_NAME}")]
        if whole:
            print(f"resuming after step {max(whole)}", flush=True)
        self.train(resume_from_checkpoint=str(folder / f"{CHECKPOINT}{max(whole)}") if whole else None)
        compared = {
            line["step"]: {key: line[key] for key in COMPARED} for line in self.state.log_history if METRIC in line
        }
        best = min(compared, key=lambda step: (compared[step][METRIC], step))
        print(f"checkpoint with the least validation loss: step {best} of {self.state.max_steps}", flush=True)
        facts = {
            "selection": {"metric": METRIC, "best_step": best, "checkpoints": compared},
            "resumed_after_step": max(whole, default=None),
        }
        return Outcome(folder / f"{CHECKPOINT}{best}", facts)


class Watch(TrainerCallback):
    """Says how a training goes, stops it where a number is none, and marks checkpoints that are whole."""

    def on_train_begin(self, args: DPOConfig, state: Any, control: Any, **_: Any) -> None:
        """Start counting steps."""
        self.progress = Progress("train", state.max_steps - state.global_step, "steps")

    def on_step_end(self, args: DPOConfig, state: Any, control: Any, **_: Any) -> None:
        """Count a step."""
        self.progress.add(1)

    def on_log(self, args: DPOConfig, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        """Look at the numbers of a step or of a validation."""
        for key in ("loss", "grad_norm", METRIC):
            if not math.isfinite(logs.get(key, 0.0)):
                raise UserError(
                    f"step {state.global_step}: {key} is {logs[key]}; lower 'learning_rate', or the model is damaged"
                )
        if METRIC in logs:
            print(
                f"step {state.global_step} of {state.max_steps}: validation loss {logs[METRIC]:.4f}, "
                f"chosen over rejected in {logs['eval_rewards/accuracies']:.0%}",
                flush=True,
            )

    def on_save(self, args: DPOConfig, state: Any, control: Any, **_: Any) -> None:
        """Flush a checkpoint and mark it: one without the mark was cut off by a kill."""
        folder = Path(args.output_dir, f"{CHECKPOINT}{state.global_step}")
        for file in folder.iterdir():
            sync(file)
        write_text(folder / WHOLE_NAME, "")


def load_model(folder: Path, device: str, dtype: str) -> Any:
    """Load the model that is to be trained; the trainer moves it to the device."""
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("device 'cuda' is configured but there is no CUDA device; set 'device: cpu' or use a GPU")
    disable_progress_bar()
    return load_whole(folder, dtype)
