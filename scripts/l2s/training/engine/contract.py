"""What a training method is to the engine.

A method is a module of ``l2s.training`` with one subclass of ``Training``: its fields are the recipe's
hyper-parameters, ``train`` makes a LoRA adapter from preference pairs. The engine merges the adapter into the weights
and writes the checkpoint. Method modules import torch and the training libraries only inside functions, so that
building the workflow stays fast.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field

from l2s.config import StrictModel

LINEAR_LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class Preference(NamedTuple):
    """A preference pair: what a model is given, the response it should prefer, and the one it should not."""

    prompt_ids: tuple[int, ...]
    chosen: str
    rejected: str


class Material(NamedTuple):
    """What a training starts from: the folder of the model to be trained, and the preference pairs."""

    model: Path
    preferences: list[Preference]


class Trained(NamedTuple):
    """What a training ends in.

    Attributes:
        adapter: Folder with the LoRA adapter, in PEFT's format.
        facts: What the sidecar says about the training.
    """

    adapter: Path
    facts: dict[str, Any]


class Training(StrictModel, ABC):
    """A training method with its hyper-parameters."""

    method: str = Field(description="name of the method: the name of its module in scripts/l2s/training")
    calibration_data: str = Field(
        description="entry of config/calibration_data whose quick answers are preferred to its slow ones"
    )
    prompt: str = Field(description="entry of config/prompts: what stands before an answer")
    answer_prefix: str = Field("", description="what stands between prompt and answer, e.g. a space")
    device: Literal["cpu", "cuda"] = Field(description="where to train; a device that is missing is an error")
    dtype: Literal["float32", "bfloat16"] = Field(description="dtype of the frozen weights and of the arithmetic")
    cpu_threads: int = Field(
        1, gt=0, description="threads on the CPU; a setting, because the order of a sum and so its last bit follow it"
    )
    lora_rank: int = Field(16, gt=0, description="r: rank of each update")
    lora_alpha: float = Field(32.0, gt=0, description="an update is scaled by lora_alpha / lora_rank")
    target_modules: tuple[str, ...] = Field(LINEAR_LAYERS, min_length=1, description="linear layers that get an update")

    @property
    def gpus(self) -> int:
        """How many GPUs a job needs."""
        return 1 if self.device == "cuda" else 0

    @abstractmethod
    def train(self, material: Material, progress: Path) -> Trained:
        """Train an adapter.

        Args:
            material: What to start from.
            progress: A folder that is there again, with what was left in it, if this very job is run after a kill.
        """
