"""Decode settings and prompts (``config/decoding/``, ``config/prompts/``)."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from l2s.config import StrictModel, suggestion
from l2s.decoding.parallel import tensor_parallel
from l2s.decoding.vllm_options import VllmOptions
from l2s.errors import UserError
from l2s.methods import method_names

QUESTION, ANSWER = "{question}", "{answer}"
COLDEST = 0.01
Dtype = Literal["float32", "bfloat16", "float16"]
DTYPE_BYTES: dict[Dtype, int] = {"float32": 4, "bfloat16": 2, "float16": 2}
Tokens = Annotated[int, Field(gt=0, le=10_000_000)]
# Keys that say which jobs decode, and change no response.
HOW_JOBS_SHARE = ("replicas", "checkpoints_per_engine")
# The key that holds each engine's own options.
ENGINE_OPTIONS = {"transformers": "batch_size", "vllm": "vllm"}


def _check_once(text: str, place: str, key: str) -> None:
    if text.count(place) != 1:
        raise ValueError(f"'{key}' must hold {place} exactly once")


class FewShot(StrictModel):
    """Worked examples that stand before the question, of the set that the benchmark's entry names."""

    examples: str = Field(description="entry of config/examples, which holds the sets")
    set: str | None = Field(None, description="one set for every benchmark, in place of those that they name")
    template: str = Field(description="one example: {question} … {answer}")
    separator: str = Field(description="text between examples, and between the last one and the question")
    count: int | None = Field(None, gt=0, description="take so many of each set, from its start; all if absent")

    @model_validator(mode="after")
    def _has_both_places(self) -> "FewShot":
        for place in (QUESTION, ANSWER):
            _check_once(self.template, place, "template")
        return self


class Chat(StrictModel):
    """Messages for the model's own chat template."""

    user: str = Field(description="the user's message, with {question} where the question goes")
    system: str | None = Field(None, description="the system's message; if absent none is given to the template")

    @model_validator(mode="after")
    def _has_one_place(self) -> "Chat":
        _check_once(self.user, QUESTION, "user")
        return self


class PromptEntry(StrictModel):
    """A prompt: the text around a question, as a template or by the model's own chat template, and where answers end.

    It is rendered and encoded by the checkpoint's own tokenizer; a recipe's key 'tokenizer' says which one a merge has.
    """

    template: str | None = Field(None, description="the whole prompt, with {question} where the question goes")
    chat: Chat | None = Field(None, description="messages that the tokenizer's chat template renders, ready to answer")
    few_shot: FewShot | None = Field(None, description="examples before the template")
    stop: tuple[str, ...] = Field(
        (), description="strings that end a response; one that is a token of the checkpoint's tokenizer ends it as such"
    )
    add_special_tokens: bool = Field(
        False, description="whether the tokenizer adds its own (a begin-of-sequence token that the text lacks)"
    )
    parse_special_tokens: bool = Field(
        True,
        description="whether special tokens written in the text become tokens; else they are mere characters",
    )

    @model_validator(mode="after")
    def _is_one_kind(self) -> "PromptEntry":
        if (self.template is None) == (self.chat is None):
            raise ValueError("give either 'template' or 'chat'")
        if self.template is not None:
            _check_once(self.template, QUESTION, "template")
        elif self.few_shot:
            raise ValueError("'few_shot' goes with 'template'; a chat template has no place for examples")
        if "" in self.stop:
            raise ValueError("an empty string in 'stop' would end every response before it begins")
        return self

    def set_for(self, own: str | None, benchmark_file: str) -> str | None:
        """Return the set of examples that stands before a benchmark's questions; None if the prompt shows none.

        Args:
            own: The set that the benchmark's entry names.
            benchmark_file: What the error calls that entry.

        Raises:
            UserError: The prompt shows examples, and neither it nor the benchmark names a set.
        """
        if self.few_shot is None:
            return None
        if self.few_shot.set is None and own is None:
            raise UserError(
                f"{benchmark_file}: key 'examples' is missing, and the prompt shows few-shot examples: name a set of "
                f"'{self.few_shot.examples}' there, or use a prompt without examples"
            )
        return self.few_shot.set or own


class Sampling(StrictModel):
    """How tokens are chosen."""

    temperature: float = Field(0.0, ge=0, le=100, description="0 is greedy")
    top_p: float = Field(1.0, gt=0, le=1, description="sample among the likeliest tokens that hold this probability")
    top_k: int = Field(0, ge=0, le=10_000_000, description="sample among so many likeliest tokens; 0: no limit")
    samples: int = Field(1, ge=1, le=10_000, description="responses per question")
    seed: int = Field(
        0, ge=0, lt=2**63, description="seed of sampling; every sample of every question has a stream of its own"
    )

    @model_validator(mode="after")
    def _greedy_is_one(self) -> "Sampling":
        if 0 < self.temperature < COLDEST:
            raise ValueError(f"'temperature' is 0 (greedy) or at least {COLDEST}: below, probabilities overflow")
        if self.temperature == 0 and self.samples > 1:
            raise ValueError("greedy decoding (temperature 0) gives the same response each time: set 'samples' to 1")
        return self


class Role(StrEnum):
    """What a checkpoint is in its pair."""

    QUICK = "quick"
    SLOW = "slow"
    MERGED = "merged"


class DecodingEntry(StrictModel):
    """Decode settings: prompt, sampling, budget, context_length, engine."""

    prompt: str | dict[Role, str] = Field(
        description="name of the prompt's entry; one name, or one for each of quick, slow, merged"
    )
    max_new_tokens: Tokens | dict[Role, Tokens] = Field(
        description="budget: tokens that a response may have; a number, or one for each of quick, slow, merged"
    )
    context_length: Tokens | dict[Role, Tokens] | None = Field(
        None,
        description="prompt and response together, in tokens; a number, or one for some of quick, slow, merged; "
        "the model's where absent",
    )
    sampling: Sampling = Field(Sampling(), description="how tokens are chosen; greedy if absent")
    engine: Literal["transformers", "vllm"] = Field(description="what runs the model")
    device: Literal["cpu", "cuda"] = Field(description="where it runs; one that is missing is an error")
    dtype: Dtype | dict[str, Dtype] = Field(
        description="dtype of weights and arithmetic, whatever the weights are stored in; one, or one for each of "
        "quick, slow, merged and for methods of recipes, whose own goes before that of their role"
    )
    batch_size: int | None = Field(
        default_factory=lambda given: 64 if given.get("engine") == "transformers" else None,
        gt=0,
        le=100_000,
        description="responses that the engine transformers decodes together; 64 if absent",
    )
    vllm: VllmOptions | None = Field(
        default_factory=lambda given: VllmOptions() if given.get("engine") == "vllm" else None,
        description="options of the engine vllm",
    )
    replicas: int = Field(
        1,
        gt=0,
        le=64,
        description="jobs that share a checkpoint's questions, each with weights, and devices or threads, of its own; "
        "on a cluster wherever there is room",
    )
    checkpoints_per_engine: int = Field(
        1,
        gt=0,
        le=1000,
        description="merges of a pair that one job decodes with one after the other, its engine taking the next one's "
        "weights instead of starting anew",
    )
    cpu_threads: int = Field(
        1,
        gt=0,
        le=4096,
        description="threads on the CPU; a setting, because the order of a sum and so its last bit follow it",
    )

    @field_validator("dtype")
    @classmethod
    def _of_roles_and_methods(cls, dtype: Dtype | dict[str, Dtype]) -> Dtype | dict[str, Dtype]:
        if isinstance(dtype, dict):
            known = [*Role, *method_names("merging"), *method_names("training")]
            for name in dtype:
                if name not in known:
                    hint = suggestion(name, known, "the roles and methods are")
                    raise ValueError(f"'{name}' is neither a role nor a recipe's method{hint}")
            if lacking := [role for role in Role if role not in dtype]:
                raise ValueError(f"add {', '.join(lacking)}: by role it needs each of {', '.join(Role)}")
        return dtype

    @model_validator(mode="after")
    def _all_roles(self) -> "DecodingEntry":
        for key in ("prompt", "max_new_tokens"):
            value = getattr(self, key)
            if isinstance(value, dict) and set(value) != set(Role):
                raise ValueError(f"'{key}' by role needs each of {', '.join(Role)}")
        return self

    @model_validator(mode="after")
    def _options_of_its_engine(self) -> "DecodingEntry":
        for engine, key in ENGINE_OPTIONS.items():
            if (getattr(self, key) is not None) != (self.engine == engine):
                raise ValueError(f"'{key}' goes with the engine '{engine}' and no other (found {self.engine})")
        return self

    @model_validator(mode="after")
    def _without_what_a_cpu_lacks(self) -> "DecodingEntry":
        if self.vllm and self.device == "cpu":
            if self.vllm.batch_invariant:
                raise ValueError("'vllm.batch_invariant' needs 'device: cuda'; vLLM's build for CPUs does not have it")
            if self.vllm.pipeline_parallel > 1 and self.vllm.enforce_eager:
                raise ValueError("on a CPU 'vllm.pipeline_parallel' needs 'enforce_eager: false'")
        return self

    @property
    def by_role(self) -> bool:
        """Whether anything depends on the checkpoint's role."""
        values = (self.prompt, self.max_new_tokens, self.context_length, self.dtype)
        return any(isinstance(value, dict) for value in values)

    @property
    def prompts(self) -> tuple[str, ...]:
        """The names of all prompts."""
        return tuple(dict.fromkeys(self.prompt.values())) if isinstance(self.prompt, dict) else (self.prompt,)

    @property
    def engine_module(self) -> str:
        """The module that runs the engine."""
        return f"l2s.decoding.engines.{self.engine}_engine"

    @property
    def gpus(self) -> int | None:
        """How many GPUs an engine needs; None if the checkpoint's size decides, see ``for_checkpoint``."""
        if self.device == "cpu":
            return 0
        if self.vllm is None:
            return 1
        shares = self.vllm.tensor_parallel
        return None if shares == "auto" else shares * self.vllm.pipeline_parallel

    def with_engine(self, engine: str) -> "DecodingEntry":
        """Return the settings with another engine and that engine's default options."""
        return DecodingEntry(**self.model_dump(exclude={"engine", *ENGINE_OPTIONS.values()}), engine=engine)

    def weight_bytes(self, elements: int) -> int:
        """Return the bytes of so many weights while they are decoded with, of settings with one dtype."""
        return elements * DTYPE_BYTES[self.dtype]

    def for_checkpoint(self, elements: int, heads: int | None) -> "DecodingEntry":
        """Return the settings for a checkpoint: a number in place of ``tensor_parallel: auto``.

        Args:
            elements: How many numbers the checkpoint's weights are.
            heads: Its attention heads; None where they are not known yet.
        """
        if self.gpus is not None:
            return self
        device_bytes = round(self.vllm.device_memory_gb * 1e9)
        of_a_stage = -(-self.weight_bytes(elements) // self.vllm.pipeline_parallel)
        devices = tensor_parallel(of_a_stage, heads, device_bytes)
        return self.model_copy(update={"vllm": self.vllm.model_copy(update={"tensor_parallel": devices})})

    def for_roles(self, roles: Iterable[Role], method: str | None = None) -> "DecodingEntry":
        """Return the settings of a checkpoint in these roles: one prompt, one dtype, numbers as its limits.

        Of several roles (a model may be quick in one pair and slow in another) the slow one's prompt and dtype, the
        largest budget and the largest context length count.

        Args:
            roles: The roles.
            method: The method that made the checkpoint; None if it is a model as published.
        """
        roles = sorted(roles, key=list(Role).index)
        chosen = {}
        if isinstance(self.prompt, dict):
            chosen["prompt"] = self.prompt[roles[-1]]
        if isinstance(self.max_new_tokens, dict):
            chosen["max_new_tokens"] = max(self.max_new_tokens[role] for role in roles)
        if isinstance(self.context_length, dict):
            limited = all(role in self.context_length for role in roles)
            chosen["context_length"] = max(self.context_length[role] for role in roles) if limited else None
        if isinstance(self.dtype, dict):
            chosen["dtype"] = self.dtype[method if method in self.dtype else roles[-1]]
        return self.model_copy(update=chosen)
