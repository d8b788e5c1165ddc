"""Training of the demo pair on a CPU: a base that knows all styles of answer, from it the quick model, then the slow.

Merging interpolates each decision of the models, and a decision flips where their confidences balance. So that
scales between quick and slow give short correct answers, "work it out or answer at once" must flip before "answer now
or check again" does: the quick model is only fairly sure of answering at once but very sure of not checking, the slow
model very sure of working it out but only fairly sure of checking. Both are less inclined to think about easy
questions, so that decisions flip level by level and not all at one scale. The mixtures of the phases set these
confidences; the low learning rate and few steps of the slow phase keep the models close enough to merge.
"""

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2Tokenizer,
    get_cosine_schedule_with_warmup,
)

from l2s.demo.questions import Style
from l2s.demo.tokenizer import CONTEXT_TOKENS

IGNORED_LABEL = -100
STEPS_BETWEEN_REPORTS = 50


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Phase(_Frozen):
    """One stretch of training."""

    name: str = Field(description="what the phase makes; also picks its questions")
    mixture: dict[Style, tuple[float, float]] = Field(
        description="weight of each style at the lowest and highest level"
    )
    steps: int = Field(description="optimizer steps")
    batch_size: int = Field(description="questions a step")
    learning_rate: float = Field(description="peak learning rate; cosine decay to zero")
    warmup_steps: int = Field(50, description="steps over which the learning rate rises to its peak")
    weight_decay: float = Field(0.01, description="AdamW's decoupled weight decay")
    max_gradient_norm: float = Field(1.0, description="norm to which gradients are clipped")


class TrainingSettings(_Frozen):
    """The phases in their order, each from the model of the one before; these and the seed make the pair."""

    base: Phase = Phase(
        name="base",
        mixture={Style.DIRECT: (40, 40), Style.STEPS: (25, 25), Style.ONE_CHECK: (15, 15), Style.TWO_CHECKS: (20, 20)},
        steps=2000,
        batch_size=64,
        learning_rate=2e-3,
    )
    quick: Phase = Phase(
        name="quick",
        mixture={
            Style.DIRECT: (95, 77),
            Style.STEPS: (4.8, 22.6),
            Style.ONE_CHECK: (0.1, 0.2),
            Style.TWO_CHECKS: (0.1, 0.2),
        },
        steps=450,
        batch_size=64,
        learning_rate=5e-4,
    )
    slow: Phase = Phase(
        name="slow",
        mixture={Style.STEPS: (30, 10), Style.ONE_CHECK: (45, 10), Style.TWO_CHECKS: (25, 80)},
        steps=250,
        batch_size=32,
        learning_rate=1e-4,
    )


def new_model(tokenizer: Qwen2Tokenizer) -> Qwen2ForCausalLM:
    """Make an untrained model of 0.4 M parameters; heads have size 32, as vLLM on a CPU refuses some smaller ones."""
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=96,
        intermediate_size=288,
        num_hidden_layers=3,
        num_attention_heads=3,
        num_key_value_heads=1,
        max_position_embeddings=CONTEXT_TOKENS,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        dtype=torch.float32,
    )
    return Qwen2ForCausalLM(config)


def train_phase(
    model: Qwen2ForCausalLM,
    tokenizer: Qwen2Tokenizer,
    phase: Phase,
    stream: Iterator[tuple[str, str]],
) -> None:
    """Train the model in place on prompts and responses, with the loss on the response's tokens and its end only."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=phase.learning_rate, weight_decay=phase.weight_decay)
    schedule = get_cosine_schedule_with_warmup(optimizer, phase.warmup_steps, phase.steps)
    report = _Report(phase)
    model.train()
    for _ in range(phase.steps):
        tokens, labels = encode_batch(tokenizer, stream, phase.batch_size)
        loss = model(input_ids=tokens, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), phase.max_gradient_norm)
        optimizer.step()
        schedule.step()
        report.add(loss.item(), tokens.numel())


def save_checkpoint(model: Qwen2ForCausalLM, tokenizer: Qwen2Tokenizer, folder: Path) -> None:
    """Write the model, rounded in place to bfloat16, with its tokenizer and a greedy generation config."""
    model.bfloat16()
    model.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def encode_batch(
    tokenizer: PreTrainedTokenizerFast, stream: Iterator[tuple[str, str]], size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Encode the stream's next answers, padded at the right, where causal attention needs no mask."""
    prompts, responses = zip(*islice(stream, size), strict=True)
    prompt_ids = tokenizer(list(prompts))["input_ids"]
    response_ids = tokenizer([response + tokenizer.eos_token for response in responses])["input_ids"]
    length = max(len(prompt) + len(response) for prompt, response in zip(prompt_ids, response_ids, strict=True))
    tokens = torch.full((size, length), tokenizer.pad_token_id)
    labels = torch.full((size, length), IGNORED_LABEL)
    for row, (prompt, response) in enumerate(zip(prompt_ids, response_ids, strict=True)):
        start, end = len(prompt), len(prompt) + len(response)
        tokens[row, :end] = torch.tensor(prompt + response)
        labels[row, start:end] = tokens[row, start:end]
    return tokens, labels


class _Report:
    """Prints the loss, the rate and the time left every so many steps."""

    def __init__(self, phase: Phase) -> None:
        self.phase = phase
        self.started = time.monotonic()
        self.losses: list[float] = []
        self.tokens = 0

    def add(self, loss: float, tokens: int) -> None:
        self.losses.append(loss)
        self.tokens += tokens
        done = len(self.losses)
        if done % STEPS_BETWEEN_REPORTS and done < self.phase.steps:
            return
        seconds = time.monotonic() - self.started
        recent = self.losses[-STEPS_BETWEEN_REPORTS:]
        minutes_left = (self.phase.steps - done) * seconds / done / 60
        print(
            f"{self.phase.name}: step {done}/{self.phase.steps}, loss {sum(recent) / len(recent):.4f}, "
            f"{self.tokens / seconds:,.0f} tokens/s, {minutes_left:.1f} min left",
            flush=True,
        )
