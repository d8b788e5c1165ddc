"""A decode session: one checkpoint, one set of decode settings, every benchmark asked of it.

The engine starts at most once, and only if the store lacks a response. Batches are fixed by a benchmark's questions and
the settings alone (sorted by prompt length, then by order), never by what is missing, so that a repeated or resumed run
sees the same batches and gives the same tokens. An engine that forms batches itself is given what is missing.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import islice
from typing import Any, NamedTuple

import pyarrow as pa

from l2s.contracts.parquet import table_of
from l2s.contracts.responses import AS_DECODED, CUT, RESPONSES, Reading
from l2s.decoding.engines.interface import Completion, Engine, Request
from l2s.decoding.progress import DecodeProgress
from l2s.decoding.prompts import Prompt
from l2s.decoding.settings import HOW_JOBS_SHARE, DecodingEntry
from l2s.decoding.share import WHOLE, Share
from l2s.decoding.stopping import Stops
from l2s.decoding.store import ResponseStore, ids_bytes, request_key
from l2s.decoding.symptoms import loop_period, thinking_closed
from l2s.errors import UserError

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
    # These decide at most which requests run together, as what a resumed run lacks does.
    together = dict.fromkeys(HOW_JOBS_SHARE, True) | {"vllm": {"device_memory_gb", "memory_utilization"}}
    elsewhere = {"prompt": True, "context_length": True, "sampling": {"samples"}}
    values = settings.model_dump(mode="json", exclude=together | elsewhere)
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
        benchmarks: The questions of each benchmark.

    Attributes:
        longest: The most tokens that a prompt and its response may have together, of all questions, so that what is
            missing does not change how the engine starts.
        facts: What ``fill`` has done, for the sidecar.
    """

    def __init__(
        self,
        context_length: int,
        settings: DecodingEntry,
        prompt: Prompt,
        stops: Stops,
        store: ResponseStore,
        benchmarks: list[list[Question]],
    ) -> None:
        self.context_length, self.settings, self.prompt, self.stops, self.store = (
            context_length,
            settings,
            prompt,
            stops,
            store,
        )
        self.facts: dict[str, Any] = {}
        asked = [[one for question in questions for one in self._ask(question)] for questions in benchmarks]
        self.rows = [one for part in asked for one in part]
        _refuse_equal_prompts(self.rows)
        self.batches = [batch for part in asked for batch in self._batches([one.request for one in part])]
        requests = [request for batch in self.batches for request in batch]
        self.longest = max((len(request.prompt_ids) + request.budget for request in requests), default=0)

    def lacking(self) -> int:
        """Return how many responses the store lacks."""
        return len(_keys(self.batches) - self.store.known.keys())

    def fill(self, start_engine: Callable[[], Engine], share: Share = WHOLE) -> None:
        """Decode what the store lacks.

        Args:
            start_engine: Starts the engine; called at most once, only if something is missing.
            share: Which batches: a share of them, while other jobs decode the others.
        """
        print(self.prompt.describe(self.rows[0].question.benchmark, self.rows[0].question.text))
        self._tell_too_long([one.request for one in self.rows])
        batches = share.of(self.batches)
        wanted = _keys(batches)
        with self.store.locked(share) if wanted - self.store.known.keys() else nullcontext():
            missing = wanted - self.store.known.keys()  # another job may have decoded them before the lock was ours
            present = len(wanted) - len(missing)
            print(f"{present} of {len(wanted)} responses are in the store, {len(missing)} are to be decoded")
            self.facts = {"responses": len(wanted), "decoded_now": len(missing)}
            if missing:
                lacking = [batch for batch in batches if any(one.key in missing for one in batch)]
                self._decode(start_engine, lacking)
        self.facts["first_prompt"] = self.rows[0].prompt

    def tables(self, readings: Sequence[Reading] = (AS_DECODED,)) -> Iterator[pa.Table]:
        """Return every response in the order of the questions; after ``fill``.

        Args:
            readings: How the responses are read: as decoded, and cut.

        Returns:
            Parts of a table with the schema ``RESPONSES``, made when they are asked for: benchmarks, questions, samples
            in order, once for each reading.
        """
        for reading in readings:
            stored = self.store.read(one.request.key for one in self.rows if one.request.budget > 0)
            lines = (self._row(one, next(stored) if one.request.budget > 0 else None, reading) for one in self.rows)
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

    def _decode(self, start_engine: Callable[[], Engine], batches: list[list[Request]]) -> None:
        started = time.monotonic()
        engine = start_engine()
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


def _keys(batches: Sequence[list[Request]]) -> set[str]:
    return {request.key for batch in batches for request in batch}


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
