"""Decoding from checkpoint and questions to a table of responses and what is known of it."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa

from l2s.checkpoints.manifest import GET_AGAIN, TOKENIZER_NAMES
from l2s.checkpoints.weights import Checkpoint
from l2s.contracts.parquet import write_table
from l2s.decoding.engines.choice import engine_identity, start_engine
from l2s.decoding.engines.interface import Engine
from l2s.decoding.prompts import Example, Prompt
from l2s.decoding.session import Model, Question, Session, numeric_settings, read_model
from l2s.decoding.settings import DecodingEntry, PromptEntry
from l2s.decoding.stopping import Stops
from l2s.decoding.store import ResponseStore
from l2s.files import pretty_json, read_json, write_text


def decode(
    checkpoint: Checkpoint,
    questions: list[pa.Table],
    examples: list[pa.Table],
    example_sets: dict[str, str],
    settings: DecodingEntry,
    prompt: PromptEntry,
    store: Path,
    out: Path,
    granted: int | None = None,
    scratch: Path | None = None,
    read_at: Sequence[int] = (),
) -> None:
    """Decode questions with a checkpoint, and write the responses and a JSON sidecar beside them.

    Args:
        checkpoint: The checkpoint; its weights are made again if they are needed and not there.
        questions: Tables with the schema QUESTIONS, one per benchmark.
        examples: Tables with the schema EXAMPLES, one per set that the prompt shows.
        example_sets: Benchmark → the set of examples that its questions are shown with; empty for a zero-shot prompt.
        settings: Decode settings, with a number as budget.
        prompt: The prompt that they name.
        store: Folder of the response store.
        out: Parquet file to write, with the schema RESPONSES.
        granted: How many GPUs Snakemake granted; None outside Snakemake.
        scratch: Folder for merged weights that are not kept; None: they are.
        read_at: Context lengths at which the responses are read besides.

    Raises:
        UserError: Engine, prompt, context length or GPUs do not fit the checkpoint or this machine.
    """
    started = time.monotonic()
    model = read_model(checkpoint.config_files(), settings)
    stops = Stops.of(model.tokenizer, model.stop_ids, prompt.stop)
    settings = _complete(settings, checkpoint, model)
    numeric = numeric_settings(settings, engine_identity(settings), model.context_length, stops)
    responses = ResponseStore(store, checkpoint.manifest.content_id, numeric)
    sets = _sets_of(examples)
    rendered = Prompt(prompt, model.tokenizer, {name: sets[shown] for name, shown in example_sets.items()})

    with ExitStack() as loan:

        def start() -> Engine:
            return start_engine(loan.enter_context(checkpoint.lent(scratch)), settings, stops, granted)

        session = Session(model.context_length, settings, rendered, stops, responses, start, read_at)
        table = session.run([_questions_of(table) for table in questions])
    sidecar = {
        "content_id": checkpoint.manifest.content_id,
        "settings": numeric,
        "prompt": prompt.model_dump(mode="json"),
        "example_sets": example_sets,
        "tokenizer": _tokenizer_of(checkpoint),
        "seconds": round(time.monotonic() - started, 3),
        **session.facts,
    }
    write_text(out.with_suffix(".json"), pretty_json(sidecar))
    write_table(table, out)
    print(f"{out}: {len(table)} responses")


def _complete(settings: DecodingEntry, checkpoint: Checkpoint, model: Model) -> DecodingEntry:
    """Return the settings with the model's context length and, by hand, a number of devices that suits its size."""
    files = checkpoint.manifest.files
    size = sum(record.bytes for name, record in files.items() if name.endswith(".safetensors"))
    heads = read_json(checkpoint.config_files() / "config.json", GET_AGAIN).get("num_attention_heads")
    return settings.model_copy(update={"context_length": model.context_length}).for_checkpoint(size, heads)


def _tokenizer_of(checkpoint: Checkpoint) -> dict[str, str]:
    """Return what pins the tokenizer that renders: the sha256 of each of its files in the checkpoint."""
    files = checkpoint.manifest.files
    return {name: files[name].sha256 for name in TOKENIZER_NAMES if name in files}


def _questions_of(table: pa.Table) -> list[Question]:
    return [Question(row["benchmark"], row["question_id"], row["question"]) for row in table.to_pylist()]


def _sets_of(tables: list[pa.Table]) -> dict[str, list[Example]]:
    """Return sets of examples by name from their tables."""
    sets: dict[str, list[Example]] = {}
    for row in (row for table in tables for row in table.to_pylist()):
        sets.setdefault(row["set"], []).append(Example(row["question"], row["answer"]))
    return sets
