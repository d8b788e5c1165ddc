"""Training of the slow model of the demo with a real model: a LoRA adapter over the quick one, on a CPU.

Only the upper layers get an update: gradients need not reach the lower ones, which saves a third of the backward pass,
and the adapter stays small. The loss is taken on answers only, and logits are computed there only: with 49,152 tokens
in the vocabulary, those of the prompts would cost as much as all layers together.
"""

import random
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from pydantic import Field
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, get_cosine_schedule_with_warmup

from l2s.checkpoints.lora import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from l2s.config import StrictModel
from l2s.demo.training import IGNORED_LABEL, encode_batch
from l2s.files import pretty_json, read_json

BATCHES_SORTED = 8
Render = Callable[[str], str]
"""From a question to the text of its prompt."""


class AdapterSettings(StrictModel):
    """What, with the seed, makes the adapter."""

    rank: int = Field(8, description="r: rank of each update")
    alpha: int = Field(16, description="an update is scaled by alpha / rank")
    layers: tuple[int, ...] = Field(tuple(range(10, 30)), description="decoder layers that get an update")
    target_modules: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        description="linear layers that get an update",
    )
    steps: int = Field(120, description="optimizer steps")
    batch_size: int = Field(8, description="questions a step")
    learning_rate: float = Field(1e-3, description="peak learning rate; cosine decay to zero")
    warmup_steps: int = Field(10, description="steps over which the learning rate rises to its peak")
    max_gradient_norm: float = Field(1.0, description="norm to which gradients are clipped")
    steps_between_validations: int = Field(40, description="steps after which the validation loss is looked at")


def train_adapter(
    model_folder: Path,
    tokenizer: PreTrainedTokenizerFast,
    render: Render,
    stream: Iterator[tuple[str, str]],
    validation: list[tuple[str, str]],
    out: Path,
    settings: AdapterSettings,
) -> None:
    """Train an adapter and keep, of its states, the one with the least validation loss.

    Args:
        model_folder: The model; its weights are used in bfloat16 and stay as they are.
        tokenizer: Its tokenizer.
        render: What makes a prompt of a question.
        stream: Questions and answers to train on, without end.
        validation: Questions and answers to choose the state by.
        out: Folder of the adapter, in PEFT's format; its tensors are bfloat16.
        settings: How to train.
    """
    base = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.bfloat16)
    model = get_peft_model(base, _lora(settings))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=settings.learning_rate)
    schedule = get_cosine_schedule_with_warmup(optimizer, settings.warmup_steps, settings.steps)
    batches = _alike(((render(question), answer) for question, answer in stream), settings.batch_size)
    held_out = [(render(question), answer) for question, answer in validation]
    started, least = time.monotonic(), float("inf")
    for step in range(1, settings.steps + 1):
        loss = _loss(model, *encode_batch(tokenizer, batches, settings.batch_size))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_gradient_norm)
        optimizer.step()
        schedule.step()
        print(f"step {step}/{settings.steps}, loss {loss:.4f}, {time.monotonic() - started:.0f} s", flush=True)
        if step % settings.steps_between_validations == 0 or step == settings.steps:
            reached = validation_loss(model, tokenizer, held_out, settings.batch_size)
            print(f"validation loss {reached:.4f}", flush=True)
            if reached < least:
                least = reached
                save_adapter(model, out)


@torch.no_grad()
def validation_loss(
    model: PeftModel, tokenizer: PreTrainedTokenizerFast, examples: list[tuple[str, str]], batch_size: int
) -> float:
    """Return the mean loss of a token of the answers, each batch weighed alike."""
    stream = iter(examples)
    batches = [encode_batch(tokenizer, stream, batch_size) for _ in range(len(examples) // batch_size)]
    return sum(_loss(model, *batch).item() for batch in batches) / len(batches)


def save_adapter(model: PeftModel, out: Path) -> None:
    """Write the adapter as it is now, in bfloat16."""
    out.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.bfloat16().contiguous() for name, tensor in get_peft_model_state_dict(model).items()}
    save_file(tensors, out / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    model.peft_config["default"].save_pretrained(out)
    # The model's entry says what the adapter is over; a folder of this machine means nothing elsewhere. And PEFT writes
    # a set in whatever order.
    config = read_json(out / ADAPTER_CONFIG, "train again")
    config |= {"base_model_name_or_path": None, "target_modules": sorted(config["target_modules"])}
    (out / ADAPTER_CONFIG).write_text(pretty_json(config), encoding="utf-8")


def _alike(stream: Iterator[tuple[str, str]], batch_size: int) -> Iterator[tuple[str, str]]:
    """Yield the examples of a stream in another order, in which those of a batch are about equally long.

    Padding would take a third of the time otherwise. The batches themselves come in random order.
    """
    rng = random.Random("batches")
    while True:
        examples = sorted(islice(stream, BATCHES_SORTED * batch_size), key=lambda example: len("".join(example)))
        starts = range(0, len(examples), batch_size)
        for start in rng.sample(starts, len(starts)):
            yield from examples[start : start + batch_size]


def _lora(settings: AdapterSettings) -> LoraConfig:
    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        target_modules=list(settings.target_modules),
        layers_to_transform=list(settings.layers),
        task_type="CAUSAL_LM",
    )


def _loss(model: PeftModel, tokens: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean loss over the labelled tokens, with logits only where a labelled token follows."""
    inner: Any = model.get_base_model()
    hidden = inner.model(input_ids=tokens).last_hidden_state[:, :-1]
    labelled = labels[:, 1:] != IGNORED_LABEL
    return cross_entropy(inner.lm_head(hidden[labelled]).float(), labels[:, 1:][labelled])
