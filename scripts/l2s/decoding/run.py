"""Decoding from checkpoint and questions to a table of responses and what is known of it."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from l2s.checkpoints.manifest import GET_AGAIN, TOKENIZER_NAMES
from l2s.checkpoints.weights import Checkpoint
from l2s.contracts.parquet import write_tables
from l2s.contracts.responses import RESPONSES, readings
from l2s.decoding.engines.choice import engine_identity, start_engine
from l2s.decoding.engines.interface import Engine
from l2s.decoding.engines.replicas import start_replicas
from l2s.decoding.prompts import Example, Prompt
from l2s.decoding.session import Model, Question, Session, numeric_settings, read_model
from l2s.decoding.settings import DecodingEntry, PromptEntry, Role
from l2s.decoding.stopping import Stops
from l2s.decoding.store import ResponseStore
from l2s.errors import UserError
from l2s.files import pretty_json, read_json, write_text

WINDOW_STEP = 1024  # tokens


def decode(
    checkpoint: Checkpoint,
    questions: list[pa.Table],
    examples: dict[str, pa.Table],
    settings: DecodingEntry,
    prompt: PromptEntry,
    store: Path,
    out: Path,
    granted: int | None = None,
    scratch: Path | None = None,
    read_at: Sequence[int] = (),
    budgets: Sequence[int] = (),
) -> None:
    """Decode questions with a checkpoint, and write the responses and a JSON sidecar beside them.

    Args:
        checkpoint: The checkpoint; its weights are made again if they are needed and not there.
        questions: Tables with the schema QUESTIONS, one per benchmark.
        examples: By benchmark, a table with the schema EXAMPLES: the set that a few-shot prompt shows.
        settings: Decode settings, with a number as budget.
        prompt: The prompt that they name.
        store: Folder of the response store.
        out: Parquet file to write, with the schema RESPONSES.
        granted: How many GPUs Snakemake granted; None outside Snakemake.
        scratch: Folder for merged weights that are not kept; None: they are.
        read_at: Context lengths at which the responses are read besides.
        budgets: Budgets at which they are read besides, in generated tokens.

    Raises:
        UserError: A benchmark is given twice or lacks examples, or engine, prompt, context length or GPUs do not fit
            the checkpoint or this machine.
    """
    started = time.monotonic()
    _check_benchmarks(questions, examples, prompt)
    model = read_model(checkpoint.config_files(), settings)
    stops = Stops.of(model.tokenizer, model.stop_ids, prompt.stop)
    settings = _complete(settings, checkpoint, model)
    numeric = numeric_settings(settings, engine_identity(settings), model.context_length, stops)
    responses = ResponseStore(store, checkpoint.manifest.content_id, numeric)
    rendered = Prompt(prompt, model.tokenizer, {name: _examples_of(table) for name, table in examples.items()})

    with ExitStack() as loan:

        def start(longest: int) -> Engine:
            # Room for little more than is asked: an engine that holds the whole window open may not fit on the device.
            # Rounded up, so that checkpoints whose prompts differ by some tokens share what vLLM compiles.
            room = min(-(-longest // WINDOW_STEP) * WINDOW_STEP, model.context_length)
            fitting = settings.model_copy(update={"context_length": room})
            begin = start_engine if settings.replicas == 1 else start_replicas
            return begin(loan.enter_context(checkpoint.lent(scratch)), fitting, stops, granted)

        session = Session(model.context_length, settings, rendered, stops, responses, start, readings(read_at, budgets))
        tables = session.run([_questions_of(table) for table in questions])
    sidecar = {
        "content_id": checkpoint.manifest.content_id,
        "settings": numeric,
        "prompt": prompt.model_dump(mode="json"),
        "example_sets": {name: table["set"][0].as_py() for name, table in examples.items()},
        "tokenizer": _tokenizer_of(checkpoint),
        "seconds": round(time.monotonic() - started, 3),
        **session.facts,
    }
    write_text(out.with_suffix(".json"), pretty_json(sidecar))
    print(f"{out}: {write_tables(tables, RESPONSES, out)} responses")


def role_of(checkpoint: Checkpoint, settings: DecodingEntry) -> Role:
    """Return a model's role as far as its files tell, which matters only if settings go by role.

    Raises:
        UserError: They do, and the model was not made here.
    """
    if checkpoint.manifest.kind == "fetched" and settings.by_role:
        raise UserError("the decode settings go by role: say --role quick, --role slow or --role merged")
    return Role.MERGED


def _complete(settings: DecodingEntry, checkpoint: Checkpoint, model: Model) -> DecodingEntry:
    """Return the settings with the model's context length and, by hand, a number of devices that suits its size."""
    heads = read_json(checkpoint.config_files() / "config.json", GET_AGAIN).get("num_attention_heads")
    complete = settings.model_copy(update={"context_length": model.context_length})
    return complete.for_checkpoint(checkpoint.manifest.elements, heads)


def _tokenizer_of(checkpoint: Checkpoint) -> dict[str, str]:
    """Return what pins the tokenizer that renders: the sha256 of each of its files in the checkpoint."""
    files = checkpoint.manifest.files
    return {name: files[name].sha256 for name in TOKENIZER_NAMES if name in files}


def _questions_of(table: pa.Table) -> list[Question]:
    return [Question(row["benchmark"], row["question_id"], row["question"]) for row in table.to_pylist()]


def _examples_of(table: pa.Table) -> list[Example]:
    return [Example(row["question"], row["answer"]) for row in table.to_pylist()]


def _check_benchmarks(questions: list[pa.Table], examples: dict[str, pa.Table], prompt: PromptEntry) -> None:
    names = [name for table in questions for name in pc.unique(table["benchmark"]).to_pylist()]
    if len(set(names)) < len(names):
        raise UserError("--benchmark: one is given twice")
    lacking = [name for name in names if prompt.few_shot and name not in examples]
    if lacking:
        raise UserError(f"--examples: the prompt shows examples, and benchmark '{lacking[0]}' has none; give its file")
