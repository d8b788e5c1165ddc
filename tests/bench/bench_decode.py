"""What decoding with this project costs over the bare engine, on the same prompts: part of ``make bench``.

Ours is a session: prompts rendered and encoded, responses kept in a store and decoded to text, the table written. Bare
is transformers' own ``generate`` on the same batches, or vLLM's engine given all prompts at once; both are handed token
ids, and nothing is done with what they return. Both run in turn on one started engine, whose start is not counted.
"""

import importlib
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pandas as pd
import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from l2s.contracts.parquet import read_table, write_tables
from l2s.contracts.responses import RESPONSES
from l2s.decoding.engines.interface import Request
from l2s.decoding.prompts import Prompt
from l2s.decoding.session import Question, Session, numeric_settings, read_model
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
            session = Session(model.context_length, settings, prompt, stops, store, lambda longest: started)
            write_tables(session.run([questions]), RESPONSES, responses := Path(folder) / "responses.parquet")
            return sum(read_table(responses, RESPONSES, ["output_tokens"])["output_tokens"].to_pylist())

    bare, ours = [], []
    for _ in range(repeats + 1):
        bare.append(timed(lambda: BARE[engine](started, requests, stops)))
        ours.append(timed(whole_session))
    report(engine, bare[1:], ours[1:], count)


def report(engine: str, bare: list[Run], ours: list[Run], count: int) -> None:
    """Print the least of all runs, and what ours takes more than the bare engine."""
    rows = []
    seconds_bare, cpu_bare = min(run.seconds for run in bare), min(run.cpu_seconds for run in bare)
    for name, runs in ((f"bare {engine}", bare), ("a session", ours)):
        seconds, cpu = min(run.seconds for run in runs), min(run.cpu_seconds for run in runs)
        tokens = runs[0].tokens
        more = [(seconds - seconds_bare) / tokens * 1e6, (cpu - cpu_bare) / tokens * 1e6]
        row = {"run": name, "s": f"{seconds:.2f}", "CPU s": f"{cpu:.2f}", "tokens": f"{tokens:,}"}
        rows.append({**row, "÷ bare": f"{seconds / seconds_bare:.3f}", "µs more a token": f"{more[0]:.1f}"})
        rows[-1]["CPU µs more a token"] = f"{more[1]:.1f}"
    machine = f"{os.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()}"
    print(f"\n{count:,} questions, greedy, float32, {machine}; the least of {len(bare)} runs each\n")
    print(pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    typer.run(main)
