"""A decode session: one checkpoint, one set of decode settings, every benchmark asked of it.

The engine starts at most once, and only if the store lacks a response. Batches are fixed by a benchmark's questions and
the settings alone (sorted by prompt length, then by order), never by what is missing, so that a repeated or resumed run
sees the same batches and gives the same tokens. An engine that forms batches itself is given what is missing.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from l2s.checkpoints.manifest import GET_AGAIN
from l2s.checkpoints.tokenizer import load_tokenizer
from l2s.contracts.parquet import table_of
from l2s.contracts.responses import AS_DECODED, CUT, RESPONSES, Reading
from l2s.decoding.engines.interface import Completion, Engine, Request
from l2s.decoding.progress import DecodeProgress
from l2s.decoding.prompts import Prompt
from l2s.decoding.settings import DecodingEntry
from l2s.decoding.stopping import Stops
from l2s.decoding.store import ResponseStore, ids_bytes, request_key
from l2s.decoding.symptoms import loop_period, thinking_closed
from l2s.errors import UserError
from l2s.files import read_json

ROWS_AT_A_TIME = 1_000  # of a table of responses, as Python objects
SHOWN = 60  # characters of a prompt in a message


class Question(NamedTuple):
    """A question: its benchmark, its identifier there, its text."""

    benchmark: str
    question_id: str
    text: str


class Asked(NamedTuple):
    """A sample of a question that is asked for: the prompt's text, and the request that it makes."""

    question: Question
    sample: int
    prompt: str
    request: Request


@dataclass(frozen=True)
class Model:
    """What a session knows of a model before its weights are loaded.

    Attributes:
        tokenizer: The checkpoint's own tokenizer, from transformers.
        stop_ids: Tokens that end a response: the generation config's and the tokenizer's; a prompt may add more.
        context_length: Prompt and response together, in tokens.
    """

    tokenizer: Any
    stop_ids: frozenset[int]
    context_length: int


def read_model(folder: Path, settings: DecodingEntry) -> Model:
    """Read tokenizer, stop tokens and context length from a checkpoint's small files.

    Raises:
        UserError: A file is missing or the context length asked for is larger than the model's.
    """
    config = read_json(folder / "config.json", GET_AGAIN)
    longest = config.get("max_position_embeddings")
    if longest is not None and (not isinstance(longest, int) or longest < 1):
        raise UserError(
            f"{folder / 'config.json'}: 'max_position_embeddings' must be a number above 0 (found {longest!r})"
        )
    if longest is None and settings.context_length is None:
        raise UserError(
            f"{folder / 'config.json'}: no 'max_position_embeddings'; set 'context_length' in the decode settings"
        )
    if settings.context_length and longest and settings.context_length > longest:
        raise UserError(
            f"decode settings ask for a context length of {settings.context_length}, but {folder} has {longest}"
        )
    tokenizer = load_tokenizer(folder)
    generation = folder / "generation_config.json"
    file = generation if generation.is_file() else folder / "config.json"
    listed = read_json(file, GET_AGAIN).get("eos_token_id")
    listed = listed if isinstance(listed, list) else [listed]
    if wrong := [one for one in listed if one is not None and (not isinstance(one, int) or one < 0)]:
        raise UserError(
            f"{file}: 'eos_token_id' must be token ids, numbers from 0 on (found {wrong[0]!r}); {GET_AGAIN}"
        )
    stop_ids = {*listed, tokenizer.eos_token_id} - {None}
    if not stop_ids:
        raise UserError(f"{folder}: neither generation config nor tokenizer names an end-of-sequence token")
    return Model(tokenizer, frozenset(stop_ids), settings.context_length or longest)


def numeric_settings(
    settings: DecodingEntry, engine: dict[str, str], context_length: int, stops: Stops
) -> dict[str, Any]:
    """Return everything that a completion depends on besides checkpoint, prompt ids and sample index.

    Args:
        settings: Decode settings, with a number as budget.
        engine: What identifies the engine: its packages' versions and the digests of its modules.
        context_length: Prompt and response together, in tokens.
        stops: What ends a response.
    """
    # Memory and replicas decide at most which requests run together, as what a resumed run lacks does.
    memory = {"device_memory_gb", "memory_utilization"}
    elsewhere = {"prompt": True, "context_length": True, "replicas": True, "sampling": {"samples"}, "vllm": memory}
    values = settings.model_dump(mode="json", exclude=elsewhere)
    values |= {"stop_ids": sorted(stops.ids), "stop_strings": sorted(stops.strings)}
    return {**values, "engine_identity": engine, "context_length": context_length}


def retokenized(tokenizer: Any, text: str) -> int:
    """Return a response's length as the paper's authors count it: of its text, stripped and tokenized again."""
    return len(tokenizer(text.strip(), verbose=False)["input_ids"])  # not verbose: it may exceed the context length


class Session:
    """Decodes questions, through the store.

    Args:
        context_length: Prompt and response together, in tokens.
        settings: Decode settings, with a number as budget.
        prompt: The prompt that the settings name.
        stops: What ends a response.
        store: Where completions are kept.
        start_engine: Starts the engine, given the most tokens that a prompt and its response may have together; called
            at most once, only if something is missing.
        readings: How the responses are read: as decoded, and cut.
    """

    def __init__(
        self,
        context_length: int,
        settings: DecodingEntry,
        prompt: Prompt,
        stops: Stops,
        store: ResponseStore,
        start_engine: Callable[[int], Engine],
        readings: Sequence[Reading] = (AS_DECODED,),
    ) -> None:
        self.context_length, self.settings, self.prompt, self.stops, self.store = (
            context_length,
            settings,
            prompt,
            stops,
            store,
        )
        self.start_engine = start_engine
        self.readings = readings
        self.facts: dict[str, Any] = {}

    def run(self, benchmarks: list[list[Question]]) -> Iterator[pa.Table]:
        """Decode what the store lacks, and return every response in the order of the questions.

        Returns:
            Parts of a table with the schema ``RESPONSES``, made when they are asked for: benchmarks, questions, samples
            in order, once for each reading, of which the one as decoded comes first.
        """
        asked = [[one for question in questions for one in self._ask(question)] for questions in benchmarks]
        rows = [one for part in asked for one in part]
        _refuse_equal_prompts(rows)
        print(self.prompt.describe(rows[0].question.benchmark, rows[0].question.text))
        batches = [batch for part in asked for batch in self._batches([one.request for one in part])]
        wanted = {request.key for batch in batches for request in batch}
        self._tell_too_long([one.request for one in rows])
        with self.store.locked() if wanted - self.store.known.keys() else nullcontext():
            missing = wanted - self.store.known.keys()  # another job may have decoded them before the lock was ours
            present = len(wanted) - len(missing)
            print(f"{present} of {len(wanted)} responses are in the store, {len(missing)} are to be decoded")
            self.facts = {"responses": len(wanted), "decoded_now": len(missing)}
            if missing:
                # Of all requests, so that what is missing does not change how the engine starts.
                longest = max(len(one.prompt_ids) + one.budget for batch in batches for one in batch)
                self._decode([batch for batch in batches if any(one.key in missing for one in batch)], longest)
        self.facts["first_prompt"] = rows[0].prompt
        return self._tables(rows)

    def _tables(self, rows: list[Asked]) -> Iterator[pa.Table]:
        for reading in self.readings:
            stored = self.store.read(one.request.key for one in rows if one.request.budget > 0)
            lines = (self._row(one, next(stored) if one.request.budget > 0 else None, reading) for one in rows)
            while part := list(islice(lines, ROWS_AT_A_TIME)):
                yield table_of(part, RESPONSES)

    def _tell_too_long(self, requests: list[Request]) -> None:
        count = sum(request.budget <= 0 for request in requests)
        if count:
            print(
                f"{count} of {len(requests)} prompts do not fit the context length of {self.context_length} tokens and "
                "get no response (prompt_too_long): raise 'context_length' in the decode settings"
            )

    def _ask(self, question: Question) -> Iterator[Asked]:
        """Yield the samples of a question; what they have in common is there once."""
        text = self.prompt.text(question.benchmark, question.text)
        ids = self.prompt.ids(text)
        limit = self._limit(len(ids))
        for sample in range(self.settings.sampling.samples):
            yield Asked(question, sample, text, Request(request_key(ids, sample), ids, *limit))

    def _limit(self, prompt_tokens: int, reading: Reading = AS_DECODED) -> tuple[int, str]:
        """Return how many tokens a response may have, and the finish reason if it is cut there."""
        room = min(self.context_length, reading.read_at or self.context_length) - prompt_tokens
        budget = min(self.settings.max_new_tokens, reading.budget or self.settings.max_new_tokens)
        return min(room, budget), "context_length" if room < budget else "length"

    def _batches(self, requests: list[Request]) -> list[list[Request]]:
        # Questions with the same text share a request.
        fitting = list({request.key: request for request in requests if request.budget > 0}.values())
        # Python's sort is stable: among prompts of one length the questions' order decides.
        fitting.sort(key=lambda request: len(request.prompt_ids))
        size = self.settings.batch_size or 1
        return [fitting[first : first + size] for first in range(0, len(fitting), size)]

    def _decode(self, batches: list[list[Request]], longest: int) -> None:
        started = time.monotonic()
        engine = self.start_engine(longest)
        facts = engine.facts()
        self.store.claim_device(facts["device"])
        ready = time.monotonic()
        budgets = [request.budget for batch in batches for request in batch]
        progress = DecodeProgress(len(budgets), sum(budgets))
        tokens = 0
        for completions in engine.decode(batches, progress.heard):
            new = [completion for completion in completions if completion.key not in self.store.known]
            self.store.add(new)
            tokens += sum(len(completion.output_ids) for completion in new)
        progress.finish()
        seconds = time.monotonic() - ready
        print(f"decoded {tokens:,} tokens in {seconds:.1f} s, {tokens / max(seconds, 1e-9):,.0f} tokens/s")
        self.facts.update(
            engine=facts,
            start_seconds=round(ready - started, 3),
            decode_seconds=round(seconds, 3),
            output_tokens=tokens,
        )

    def _completion(self, request: Request, whole: Completion | None, reading: Reading) -> Completion:
        """Return what came of a request, as decoded or cut where a shorter context length or budget would end it.

        Tokens come one after the other, and none depends on how many may follow, drawn ones included. So what is left
        is the response that decoding with that context length or budget would have given.
        """
        allowed, cut_reason = self._limit(len(request.prompt_ids), reading)
        if whole is None or allowed <= 0:
            return Completion(request.key, (), "prompt_too_long")
        if reading == AS_DECODED or (whole.finish_reason not in CUT and len(whole.output_ids) <= allowed):
            return whole
        return Completion(request.key, whole.output_ids[:allowed], cut_reason)

    def _row(self, asked: Asked, whole: Completion | None, reading: Reading) -> dict[str, Any]:
        question, sample, prompt, request = asked
        ids = list((completion := self._completion(request, whole, reading)).output_ids)
        text = self.stops.text(ids)
        return {
            "benchmark": question.benchmark,
            "question_id": question.question_id,
            "sample": sample,
            **reading._asdict(),
            "prompt_sha256": hashlib.sha256(ids_bytes(request.prompt_ids)).hexdigest(),
            "prompt_tokens": len(request.prompt_ids),
            "text": text,
            "output_ids": ids,
            "output_tokens": len(ids),
            "retokenized": retokenized(self.stops.tokenizer, text),
            "finish_reason": completion.finish_reason,
            "thinking_closed": thinking_closed(prompt, self.stops.spell(ids, special=True)),
            "repetition": loop_period(ids) if completion.finish_reason in CUT else None,
            "imported_score": None,
        }


def _refuse_equal_prompts(rows: Sequence[Asked]) -> None:
    """Refuse prompts that are the same for different questions: the model would be asked something else.

    Raises:
        UserError: A chat template leaves out the message, or the tokenizer has one token for what differs.
    """
    first: dict[tuple[int, ...], Question] = {}
    for one in rows:
        before = first.setdefault(one.request.prompt_ids, one.question)
        if before.text.split() != one.question.text.split():
            raise UserError(
                f"questions {before.question_id!r} and {one.question.question_id!r} of '{one.question.benchmark}' have "
                f"the same prompt ({one.prompt[:SHOWN]!r}): the chat template leaves it out, or the tokenizer "
                "cannot tell them apart; use another prompt, or the tokenizer of another model"
            )
