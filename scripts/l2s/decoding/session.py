"""A decode session: one checkpoint, one set of decode settings, every benchmark asked of it.

The engine starts at most once, and only if the store lacks a response. Batches are fixed by a benchmark's questions and
the settings alone (sorted by prompt length, then by order), never by what is missing, so that a repeated or resumed run
sees the same batches and gives the same tokens.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from l2s.checkpoints.manifest import read_json
from l2s.decoding.engines.interface import Completion, Engine, Request
from l2s.decoding.responses import RESPONSES
from l2s.decoding.settings import DecodingEntry, PromptEntry
from l2s.decoding.store import ResponseStore, ids_bytes, request_key
from l2s.errors import UserError
from l2s.parquet import table_of
from l2s.progress import Progress


class Question(NamedTuple):
    """A question: its benchmark, its identifier there, its text."""

    benchmark: str
    question_id: str
    text: str


@dataclass(frozen=True)
class Model:
    """What a session knows of a model before its weights are loaded.

    Attributes:
        tokenizer: The checkpoint's own tokenizer, from transformers.
        stop_ids: Tokens that end a response: the generation config's and the tokenizer's.
        window: Prompt and response together, in tokens.
    """

    tokenizer: Any
    stop_ids: frozenset[int]
    window: int


def read_model(folder: Path, settings: DecodingEntry) -> Model:
    """Read tokenizer, stop tokens and window from a checkpoint's small files.

    Raises:
        UserError: A file is missing or the window asked for is larger than the model's.
    """
    # Not AutoTokenizer: for some architectures it rebuilds the pre-tokenizer in place of the one in tokenizer.json.
    from transformers import PreTrainedTokenizerFast

    config = read_json(folder / "config.json")
    longest = config.get("max_position_embeddings")
    if longest is None and settings.window is None:
        raise UserError(f"{folder / 'config.json'}: no 'max_position_embeddings'; set 'window' in the decode settings")
    if settings.window and longest and settings.window > longest:
        raise UserError(f"decode settings ask for a window of {settings.window}, but {folder} has {longest}")
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: the tokenizer cannot be loaded ({str(error).splitlines()[0]})") from None
    generation = folder / "generation_config.json"
    listed = (read_json(generation) if generation.is_file() else config).get("eos_token_id")
    stop_ids = {*(listed if isinstance(listed, list) else [listed]), tokenizer.eos_token_id} - {None}
    if not stop_ids:
        raise UserError(f"{folder}: neither generation config nor tokenizer names an end-of-sequence token")
    return Model(tokenizer, frozenset(stop_ids), settings.window or longest)


def numeric_settings(settings: DecodingEntry, engine: dict[str, str], model: Model) -> dict[str, Any]:
    """Return everything that a completion depends on besides checkpoint, prompt ids and sample index.

    Args:
        settings: Decode settings.
        engine: What identifies the engine: its packages' versions and the digest of its module.
        model: For the window and the stop tokens.
    """
    values = settings.model_dump(mode="json", exclude={"prompt", "window"})
    del values["sampling"]["samples"]
    return {**values, "engine_identity": engine, "window": model.window, "stop_ids": sorted(model.stop_ids)}


class Session:
    """Decodes questions, through the store.

    Args:
        model: Tokenizer, stop tokens, window.
        settings: Decode settings.
        prompt: The prompt that the settings name.
        store: Where completions are kept.
        start_engine: Starts the engine; called at most once, only if something is missing.
    """

    def __init__(
        self,
        model: Model,
        settings: DecodingEntry,
        prompt: PromptEntry,
        store: ResponseStore,
        start_engine: Callable[[], Engine],
    ) -> None:
        self.model, self.settings, self.prompt, self.store = model, settings, prompt, store
        self.start_engine = start_engine
        self.facts: dict[str, Any] = {}

    def run(self, benchmarks: list[list[Question]]) -> pa.Table:
        """Decode what the store lacks, and return every response in the order of the questions.

        Returns:
            A table with the schema ``RESPONSES``: benchmarks, questions, samples in order.
        """
        asked = [self._requests(questions) for questions in benchmarks]
        batches = [batch for requests in asked for batch in self._batches(list(requests.values()))]
        missing = [batch for batch in batches if any(request.key not in self.store.known for request in batch)]
        wanted = {request.key for batch in batches for request in batch}
        absent = len(wanted - self.store.known.keys())
        print(f"{len(wanted) - absent} of {len(wanted)} responses are in the store, {absent} are to be decoded")
        self.facts = {"responses": len(wanted), "decoded_now": absent}
        if missing:
            self._decode(missing, absent)
        rows = [
            self._row(question, sample, request)
            for questions, requests in zip(benchmarks, asked, strict=True)
            for (question, sample), request in zip(self._slots(questions), requests.values(), strict=True)
        ]
        return table_of(rows, RESPONSES)

    def _slots(self, questions: list[Question]) -> list[tuple[Question, int]]:
        return [(question, sample) for question in questions for sample in range(self.settings.sampling.samples)]

    def _requests(self, questions: list[Question]) -> dict[tuple[str, int], Request]:
        requests = {}
        for question, sample in self._slots(questions):
            text = self.prompt.render(question.text)
            ids = tuple(self.model.tokenizer.encode(text, add_special_tokens=self.prompt.add_special_tokens))
            room = self.model.window - len(ids)
            by_window = room < self.settings.max_new_tokens
            requests[question.question_id, sample] = Request(
                key=request_key(ids, sample),
                prompt_ids=ids,
                budget=min(room, self.settings.max_new_tokens),
                cut_reason="window" if by_window else "length",
            )
        return requests

    def _batches(self, requests: list[Request]) -> list[list[Request]]:
        # Questions with the same text share a request.
        fitting = list({request.key: request for request in requests if request.budget > 0}.values())
        # Python's sort is stable: among prompts of one length the questions' order decides.
        fitting.sort(key=lambda request: len(request.prompt_ids))
        size = self.settings.batch_size
        return [fitting[first : first + size] for first in range(0, len(fitting), size)]

    def _decode(self, batches: list[list[Request]], absent: int) -> None:
        started = time.monotonic()
        engine = self.start_engine()
        ready = time.monotonic()
        progress = Progress("decode", absent, "responses")
        tokens = 0
        for completions in engine.decode(batches):
            new = [completion for completion in completions if completion.key not in self.store.known]
            self.store.add(new)
            tokens += sum(len(completion.output_ids) for completion in new)
            progress.add(len(new))
        seconds = time.monotonic() - ready
        print(f"decoded {tokens:,} tokens in {seconds:.1f} s, {tokens / max(seconds, 1e-9):,.0f} tokens/s")
        self.facts.update(
            engine=engine.facts(),
            start_seconds=round(ready - started, 3),
            decode_seconds=round(seconds, 3),
            output_tokens=tokens,
        )

    def _row(self, question: Question, sample: int, request: Request) -> dict[str, Any]:
        if request.budget > 0:
            completion = self.store.known[request.key]
        else:
            completion = Completion(request.key, (), "prompt_too_long")
        return {
            "benchmark": question.benchmark,
            "question_id": question.question_id,
            "sample": sample,
            "prompt_sha256": hashlib.sha256(ids_bytes(request.prompt_ids)).hexdigest(),
            "prompt_tokens": len(request.prompt_ids),
            "text": self.model.tokenizer.decode(list(completion.output_ids), skip_special_tokens=True),
            "output_ids": list(completion.output_ids),
            "output_tokens": len(completion.output_ids),
            "finish_reason": completion.finish_reason,
        }
