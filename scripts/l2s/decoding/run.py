"""Decoding from checkpoint and questions to a table of responses and what is known of it."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from l2s.checkpoints.manifest import GET_AGAIN, TOKENIZER_NAMES
from l2s.checkpoints.weights import Checkpoint
from l2s.contracts.parquet import write_tables
from l2s.contracts.responses import RESPONSES, readings
from l2s.decoding.engines.choice import engine_identity, start_engine
from l2s.decoding.engines.interface import Engine
from l2s.decoding.model import Model, read_model
from l2s.decoding.prompts import Example, Prompt
from l2s.decoding.session import Question, Session, numeric_settings
from l2s.decoding.settings import DecodingEntry, PromptEntry, Role
from l2s.decoding.share import WHOLE, Share
from l2s.decoding.stopping import Stops
from l2s.decoding.store import ResponseStore
from l2s.errors import UserError
from l2s.files import pretty_json, read_json, write_text

WINDOW_STEP = 1024  # tokens
SUMMED = ("decoded_now", "output_tokens", "start_seconds", "decode_seconds")
"""Of what is known of a decoding, what adds up over jobs that share it."""


class Task(NamedTuple):
    """A checkpoint with the questions asked of it, ready for decoding.

    Attributes:
        checkpoint: The checkpoint.
        settings: Decode settings, complete.
        numeric: Everything that a response depends on besides checkpoint, prompt and sample index.
        stops: What ends a response.
        session: What decodes.
        asked: What the sidecar says of prompt and examples.
        started: When it was begun, on the monotonic clock.
    """

    checkpoint: Checkpoint
    settings: DecodingEntry
    numeric: dict[str, Any]
    stops: Stops
    session: Session
    asked: dict[str, Any]
    started: float


class OneEngine:
    """The engine of a job: started for the first checkpoint that lacks responses, it takes the weights of the next.

    Args:
        tasks: All that it may be asked for, of checkpoints of one shape.
        scratch: Folder for merged weights that are not kept; None: they are.
        granted: How many GPUs Snakemake granted; None outside Snakemake.
    """

    def __init__(self, tasks: Sequence[Task], scratch: Path | None, granted: int | None) -> None:
        # Room for little more than is asked: an engine that holds the whole window open may not fit on the device.
        # Rounded up, so that checkpoints whose prompts differ by some tokens share what vLLM compiles.
        longest = max(task.session.longest for task in tasks)
        window = min(task.session.context_length for task in tasks)
        self.room = min(-(-longest // WINDOW_STEP) * WINDOW_STEP, window)
        self.scratch, self.granted = scratch, granted
        self.loan = ExitStack()
        self.engine: Engine | None = None

    def of(self, task: Task) -> Engine:
        """Return the engine with a task's weights."""
        self.loan.close()
        folder = self.loan.enter_context(task.checkpoint.lent(self.scratch))
        if self.engine is None:
            fitting = task.settings.model_copy(update={"context_length": self.room})
            self.engine = start_engine(folder, fitting, task.stops, self.granted)
        else:
            self.engine.take(folder, task.stops)
        return self.engine


def prepare(
    checkpoint: Checkpoint,
    questions: list[pa.Table],
    examples: dict[str, pa.Table],
    settings: DecodingEntry,
    prompt: PromptEntry,
    store: Path,
) -> Task:
    """Make everything ready for decoding that needs no weights.

    Args:
        checkpoint: The checkpoint; its weights are made again if they are needed and not there.
        questions: Tables with the schema QUESTIONS, one per benchmark.
        examples: By benchmark, a table with the schema EXAMPLES: the set that a few-shot prompt shows.
        settings: Decode settings, with a number as budget.
        prompt: The prompt that they name.
        store: Folder of the response store.

    Raises:
        UserError: A benchmark is given twice or lacks examples, or prompt or context length do not fit the checkpoint.
    """
    started = time.monotonic()
    _check_benchmarks(questions, examples, prompt)
    model = read_model(checkpoint.config_files(), settings)
    stops = Stops.of(model.tokenizer, model.stop_ids, prompt.stop)
    settings = _complete(settings, checkpoint, model)
    numeric = numeric_settings(settings, engine_identity(settings), model.context_length, stops)
    responses = ResponseStore(store, checkpoint.manifest.content_id, numeric)
    rendered = Prompt(prompt, model.tokenizer, {name: _examples_of(table) for name, table in examples.items()})
    benchmarks = [_questions_of(table) for table in questions]
    session = Session(model.context_length, settings, rendered, stops, responses, benchmarks)
    asked = {
        "prompt": prompt.model_dump(mode="json"),
        "example_sets": {name: table["set"][0].as_py() for name, table in examples.items()},
    }
    return Task(checkpoint, settings, numeric, stops, session, asked, started)


def decode(
    task: Task,
    out: Path,
    granted: int | None = None,
    scratch: Path | None = None,
    read_at: Sequence[int] = (),
    budgets: Sequence[int] = (),
    ahead: Sequence[Path] = (),
) -> None:
    """Decode, and write the responses and a JSON sidecar beside them.

    Args:
        task: What to decode.
        out: Parquet file to write, with the schema RESPONSES.
        granted: How many GPUs Snakemake granted; None outside Snakemake.
        scratch: Folder for merged weights that are not kept; None: they are.
        read_at: Context lengths at which the responses are read besides.
        budgets: Budgets at which they are read besides, in generated tokens.
        ahead: What ``decode_ahead`` has written of jobs that decoded into the store before.

    Raises:
        UserError: Engine or GPUs do not fit the checkpoint or this machine, or what was decoded ahead is gone.
    """
    if ahead and granted == 0 and task.settings.gpus and (lacking := task.session.lacking()):
        raise UserError(
            f"{task.session.store.folder}: {lacking} responses are gone that were decoded ahead, and this job has no "
            f"GPU to decode them; delete {ahead[0].parent} and run again"
        )
    engine = OneEngine([task], scratch, granted)
    with engine.loan:
        task.session.fill(lambda: engine.of(task))
    sidecar = {
        "content_id": task.checkpoint.manifest.content_id,
        "settings": task.numeric,
        **task.asked,
        "tokenizer": _tokenizer_of(task.checkpoint),
        "seconds": round(time.monotonic() - task.started, 3),
        **_all_facts(task, ahead),
    }
    write_text(out.with_suffix(".json"), pretty_json(sidecar))
    print(f"{out}: {write_tables(task.session.tables(readings(read_at, budgets)), RESPONSES, out)} responses")


def decode_ahead(
    tasks: Sequence[Task],
    out: Path,
    share: Share = WHOLE,
    granted: int | None = None,
    scratch: Path | None = None,
) -> None:
    """Decode into the store, for ``decode`` to find there, and write what was done, as JSON.

    Args:
        tasks: Checkpoints of one shape, decoded one after the other by one engine.
        out: JSON file to write.
        share: Which of the questions; other jobs decode the others at the same time.
        granted: How many GPUs Snakemake granted; None outside Snakemake.
        scratch: Folder for merged weights that are not kept; None: they are.

    Raises:
        UserError: As for ``decode``.
    """
    engine = OneEngine(tasks, scratch, granted)
    with engine.loan:
        for number, task in enumerate(tasks, 1):
            print(f"checkpoint {number} of {len(tasks)}: {task.checkpoint.manifest_path}")
            task.session.fill(partial(engine.of, task), share)
    done = [{"content_id": task.checkpoint.manifest.content_id, **task.session.facts} for task in tasks]
    write_text(out, pretty_json({"share": str(share), "checkpoints": done}))


def role_of(checkpoint: Checkpoint, settings: DecodingEntry) -> Role:
    """Return a model's role as far as its files tell, which matters only if settings go by role.

    Raises:
        UserError: They do, and the model was not made here.
    """
    if checkpoint.manifest.kind == "fetched" and settings.by_role:
        raise UserError("the decode settings go by role: say --role quick, --role slow or --role merged")
    return Role.MERGED


def _all_facts(task: Task, ahead: Sequence[Path]) -> dict[str, Any]:
    """Return what is known of a decoding, that of the jobs included which did parts of it before."""
    facts = task.session.facts
    for said in (one for file in ahead for one in read_json(file, "decode again")["checkpoints"]):
        if said["content_id"] == task.checkpoint.manifest.content_id and "engine" in said:
            added = {name: round(facts.get(name, 0) + said[name], 3) for name in SUMMED}
            facts = {"engine": said["engine"], **facts, **added}
    return facts


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
