"""What decoding with this project costs over the bare engine, on the same prompts: part of ``make bench``.

Ours is a session: prompts rendered and encoded, responses kept in a store and decoded to text, the table written. Bare
is transformers' own ``generate`` on the same batches, or vLLM's engine given all prompts at once; both are handed token
ids, and nothing is done with what they return. Both run in turn on one started engine, whose start is not counted. With
vLLM a third run hands the same responses to a session without decoding them. CPU seconds are this process's, in which
vLLM's scheduler runs but not its worker, for which it waits in part by asking again and again.
"""

import importlib
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, NamedTuple

import pandas as pd
import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from l2s.contracts.parquet import read_table, write_tables
from l2s.contracts.responses import RESPONSES
from l2s.decoding.engines.interface import Request
from l2s.decoding.engines.vllm_start import MOST_TOGETHER, STREAM_INTERVAL
from l2s.decoding.model import read_model
from l2s.decoding.prompts import Prompt
from l2s.decoding.session import Question, Session, numeric_settings
from l2s.decoding.settings import DecodingEntry, PromptEntry
from l2s.decoding.stopping import Stops
from l2s.decoding.store import ResponseStore, request_key
from l2s.demo.questions import LEVELS, draw_question

SLOW = Path(__file__).resolve().parents[2] / "workflow" / "resources" / "demo" / "slow"
# The paper's stop strings: with any, every token is looked at as it comes.
STOP = ("</s>", "<|im_end|>", "<|endoftext|>", "\n\nQuestion:")
PROMPT = PromptEntry(template="Question: {question}\nAnswer:", stop=STOP)
BUDGET, BATCH = 160, 128
VLLM = {"enforce_eager": True, "memory_utilization": 0.04}


def distinct_questions(count: int) -> list[Question]:
    """Return so many different questions of the demo's hardest level."""
    rng = random.Random(0)
    texts: dict[str, None] = {}
    while len(texts) < count:
        texts[draw_question(rng, max(LEVELS)).text] = None
    return [Question("bench", str(number), text) for number, text in enumerate(texts)]


def bare_transformers(engine: Any, requests: list[Request], stops: Stops) -> int:
    """Decode by ``generate``, batch by batch as our sessions do; return the number of tokens."""
    import torch

    tokens = 0
    ordered = sorted(requests, key=lambda request: len(request.prompt_ids))
    for first in range(0, len(ordered), BATCH):
        batch = ordered[first : first + BATCH]
        longest = max(len(request.prompt_ids) for request in batch)
        ids = torch.tensor([[0] * (longest - len(one.prompt_ids)) + list(one.prompt_ids) for one in batch])
        mask = torch.tensor([[0] * (longest - len(one.prompt_ids)) + [1] * len(one.prompt_ids) for one in batch])
        (end,) = stops.ids
        answers = engine.model.generate(
            ids, attention_mask=mask, max_new_tokens=BUDGET, do_sample=False, eos_token_id=end, pad_token_id=end
        )[:, longest:]
        tokens += sum(row.index(end) + 1 if end in row else BUDGET for row in answers.tolist())
    return tokens


def bare_vllm(engine: Any, requests: list[Request], stops: Stops) -> int:
    """Give vLLM's engine all requests and step it until they are done; return the number of tokens."""
    from vllm import SamplingParams
    from vllm.inputs import tokens_input
    from vllm.sampling_params import RequestOutputKind

    for request in requests:
        sampling = SamplingParams(
            temperature=0,
            max_tokens=BUDGET,
            stop_token_ids=list(stops.ids),
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        engine.engine.add_request(request.key, tokens_input(list(request.prompt_ids)), sampling)
    tokens = 0
    while engine.engine.has_unfinished_requests():
        tokens += sum(len(output.outputs[0].token_ids) for output in engine.engine.step())
    return tokens


BARE = {"transformers": bare_transformers, "vllm": bare_vllm}


class Replay:
    """What a session sees of vLLM's engine, with responses that were decoded before: what is left is our own work."""

    def __init__(self, responses: dict[str, list[int]]) -> None:
        self.responses = responses
        self.places: dict[str, int] = {}

    def add_request(self, key: str, prompt: Any, sampling: Any) -> None:
        """Begin a response."""
        self.places[key] = 0

    def step(self) -> list[Any]:
        """Hand over the next tokens of as many responses as vLLM would have together."""
        outputs = []
        for key in list(islice(self.places, MOST_TOGETHER["cpu"])):
            begin = self.places[key]
            self.places[key] = end = begin + STREAM_INTERVAL
            finished = end >= len(self.responses[key])
            tokens = self.responses[key][begin:end]
            outputs.append(
                SimpleNamespace(request_id=key, outputs=[SimpleNamespace(token_ids=tokens)], finished=finished)
            )
            if finished:
                del self.places[key]
        return outputs


class Run(NamedTuple):
    """What decoding took: seconds, CPU seconds of this process (vLLM's worker is another one), and the tokens."""

    seconds: float
    cpu_seconds: float
    tokens: int


def timed(work: Callable[[], int]) -> Run:
    """Decode, and return what it took."""
    began, cpu_began = time.perf_counter(), time.process_time()
    tokens = work()
    return Run(time.perf_counter() - began, time.process_time() - cpu_began, tokens)


def main(
    engine: Annotated[str, typer.Option(help="transformers or vllm; vllm in .venv-vllm.")] = "transformers",
    count: Annotated[int, typer.Option("--questions", help="Questions of the demo's hardest level.")] = 2000,
    repeats: Annotated[int, typer.Option(help="Runs of each, after one that is not counted.")] = 5,
) -> None:
    """Measure both in turn and print the table as Markdown."""
    values = {"prompt": "demo", "max_new_tokens": BUDGET, "device": "cpu", "dtype": "float32", "context_length": 2048}
    options = {"batch_size": BATCH} if engine == "transformers" else {"vllm": VLLM}
    settings = DecodingEntry(**values, **options, engine=engine)
    model = read_model(SLOW, settings)
    stops, prompt = Stops.of(model.tokenizer, model.stop_ids, STOP), Prompt(PROMPT, model.tokenizer)
    started = importlib.import_module(settings.engine_module).start(SLOW, settings, stops)
    questions = distinct_questions(count)
    prompts = [prompt.ids(prompt.text("bench", question.text)) for question in questions]
    requests = [Request(request_key(ids, 0), ids, BUDGET, "length") for ids in prompts]

    def whole_session() -> int:
        with tempfile.TemporaryDirectory() as folder:
            numeric = numeric_settings(settings, {}, model.context_length, stops)
            store = ResponseStore(Path(folder), "0" * 64, numeric)
            session = Session(model.context_length, settings, prompt, stops, store, [questions])
            session.fill(lambda: started)
            write_tables(session.tables(), RESPONSES, written := Path(folder) / "responses.parquet")
            responses.update(
                zip(keys, read_table(written, RESPONSES, ["output_ids"])["output_ids"].to_pylist(), strict=True)
            )
        return sum(map(len, responses.values()))

    keys, responses = [request.key for request in requests], {}
    runs: dict[str, list[Run]] = {f"bare {engine}": [], "a session": []}
    for _ in range(repeats + 1):
        runs[f"bare {engine}"].append(timed(lambda: BARE[engine](started, requests, stops)))
        runs["a session"].append(timed(whole_session))
    if engine == "vllm":
        started.engine, started.facts = Replay(responses), lambda: {"device": "none"}
        runs["a session without vLLM"] = [timed(whole_session) for _ in range(repeats + 1)]
    report({name: of[1:] for name, of in runs.items()}, count)


def report(runs: dict[str, list[Run]], count: int) -> None:
    """Print the least of all runs, and how many seconds one took for each of the bare engine's, which comes first."""
    least = {name: Run(*map(min, zip(*of, strict=True))) for name, of in runs.items()}
    bare = next(iter(least.values()))
    rows = [
        {
            "run": name,
            "s": f"{run.seconds:.2f}",
            "÷ bare": f"{run.seconds / bare.seconds:.3f}",
            "CPU s": f"{run.cpu_seconds:.2f}",
            "tokens": f"{run.tokens:,}",
            "CPU µs a token": f"{run.cpu_seconds / run.tokens * 1e6:.2f}",
        }
        for name, run in least.items()
    ]
    machine = f"{os.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()}"
    print(f"\n{count:,} questions, greedy, float32, {machine}; the least of {len(runs['a session'])} runs each\n")
    print(pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    typer.run(main)
