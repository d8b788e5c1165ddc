"""Decode settings and prompts (``config/decoding/``, ``config/prompts/``)."""

from typing import Literal

from pydantic import Field, model_validator

from l2s.config import StrictModel

PLACEHOLDER = "{question}"
COLDEST = 0.01


class PromptEntry(StrictModel):
    """A prompt: the text around a question."""

    template: str = Field(description="the whole prompt, with {question} where the question goes")
    add_special_tokens: bool = Field(
        False, description="whether the tokenizer adds its own (a begin-of-sequence token that the template lacks)"
    )

    @model_validator(mode="after")
    def _has_one_placeholder(self) -> "PromptEntry":
        if self.template.count(PLACEHOLDER) != 1:
            raise ValueError(f"'template' must hold {PLACEHOLDER} exactly once")
        return self

    def render(self, question: str) -> str:
        """Return the prompt's text for a question; braces in the question stay as they are."""
        return self.template.replace(PLACEHOLDER, question)


class Sampling(StrictModel):
    """How tokens are chosen."""

    temperature: float = Field(0.0, ge=0, description="0 is greedy")
    top_p: float = Field(1.0, gt=0, le=1, description="sample among the likeliest tokens that hold this probability")
    top_k: int = Field(0, ge=0, description="sample among so many likeliest tokens; 0: no limit")
    samples: int = Field(1, ge=1, description="responses per question")
    seed: int = Field(0, ge=0, description="seed of sampling; every sample of every question has a stream of its own")

    @model_validator(mode="after")
    def _greedy_is_one(self) -> "Sampling":
        if 0 < self.temperature < COLDEST:
            raise ValueError(f"'temperature' is 0 (greedy) or at least {COLDEST}: below, probabilities overflow")
        if self.temperature == 0 and self.samples > 1:
            raise ValueError("greedy decoding (temperature 0) gives the same response each time: set 'samples' to 1")
        return self


class DecodingEntry(StrictModel):
    """Decode settings: prompt, sampling, budget, window, engine."""

    prompt: str = Field(description="name of the prompt's entry")
    max_new_tokens: int = Field(gt=0, description="budget: tokens that a response may have")
    window: int | None = Field(None, gt=0, description="prompt and response together, in tokens; the model's if absent")
    sampling: Sampling = Sampling()
    engine: Literal["transformers"] = Field(description="what runs the model")
    device: Literal["cpu", "cuda"] = Field(description="where it runs; one that is missing is an error")
    dtype: Literal["float32", "bfloat16", "float16"] = Field(description="dtype of weights and arithmetic")
    batch_size: int = Field(64, gt=0, description="responses decoded together")
    cpu_threads: int = Field(
        1, gt=0, description="threads on the CPU; a setting, because the order of a sum and so its last bit follow it"
    )

    @property
    def engine_module(self) -> str:
        """The module that runs the engine."""
        return f"l2s.decoding.engines.{self.engine}_engine"

    @property
    def gpus(self) -> int:
        """How many GPUs a job needs."""
        return 1 if self.device == "cuda" else 0
