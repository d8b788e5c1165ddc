"""Examples: worked examples for few-shot prompts, from a local file or an address, normalised to one schema.

A source of examples is one YAML under ``config/examples/``. Its file holds sets by name, as JSON

    {"gsm8k": [{"question": "…", "answer": "…"}, …], …}

or as a Python file with assignments of literals (``examples["gsm8k"] = [("…", "…"), …]``), which is parsed, never run.
Each set is pinned by the sha256 of its normalised rows, so that both forms of the same examples agree.
"""

import ast
import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import pyarrow as pa
from pydantic import Field, model_validator

from l2s.config import NAME, StrictModel, suggestion
from l2s.contracts.examples import EXAMPLES
from l2s.contracts.parquet import table_of
from l2s.errors import UserError
from l2s.sources.benchmarks import PROJECT
from l2s.sources.pinning import check_pinned
from l2s.sources.web_files import download

FILE_KINDS = (".json", ".py")


class ExamplesEntry(StrictModel):
    """A source of examples: its file, and what pins the sets that are taken from it."""

    path: str | None = Field(None, description="local JSON or Python file, absolute or relative to the project")
    url: str | None = Field(None, pattern="^https?://", description="address of such a file")
    sets: dict[Annotated[str, Field(pattern=NAME.pattern)], Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None] = (
        Field(
            min_length=1,
            description="name of a set in the file → sha256 of its rows; a run warns if that is null and says it",
        )
    )

    @model_validator(mode="after")
    def _one_source(self) -> "ExamplesEntry":
        if (self.path is None) == (self.url is None):
            raise ValueError("give either 'path' or 'url'")
        if self.kind not in FILE_KINDS:
            raise ValueError(f"the file must end in {' or '.join(FILE_KINDS)}, found {self.path or self.url!r}")
        return self

    @property
    def kind(self) -> str:
        """The file's suffix."""
        return Path(self.path or urlsplit(self.url).path).suffix

    def only(self, name: str) -> "ExamplesEntry":
        """Return the entry with one of its sets, so that the others make nothing of it stale."""
        return self.model_copy(update={"sets": {name: self.sets[name]}})


def load_examples(name: str, entry: ExamplesEntry, entry_file: str) -> pa.Table:
    """Read, normalise and check one set of examples.

    Args:
        name: Name of the set.
        entry: The entry.
        entry_file: What errors call the entry.

    Returns:
        A table with the schema EXAMPLES, in the order of the source.

    Raises:
        UserError: The entry does not name the set, the file cannot be read or lacks it, or the set is malformed or does
            not have the entry's sha256.
    """
    if name not in entry.sets:
        hint = suggestion(name, list(entry.sets), "the sets are")
        raise UserError(f"{entry_file}: key 'sets' does not name the set '{name}'{hint}")
    where = f"{entry_file} ({entry.path or entry.url})"
    text = _read(entry, where)
    sets = _from_json(text, where) if entry.kind == ".json" else _from_python(text, where)
    if name not in sets:
        raise UserError(f"{where}: there is no set '{name}'{suggestion(name, list(sets), 'the sets are')}")
    rows = [_normalise(item, f"{where}, set '{name}', {number}") for number, item in enumerate(sets[name], start=1)]
    check_pinned(rows, entry.sets[name], f"{where}, set '{name}'", name)
    return table_of([{"set": name, **row} for row in rows], EXAMPLES)


def _read(entry: ExamplesEntry, where: str) -> str:
    try:
        if entry.url:
            return download(entry.url).decode("utf-8")
        return (PROJECT / entry.path if not Path(entry.path).is_file() else Path(entry.path)).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{where}: cannot be read ({error}); check the file or address, and the network") from None


def _from_json(text: str, where: str) -> dict[str, list[Any]]:
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{where}, line {error.lineno}: not valid JSON: {error.msg}") from None
    if not isinstance(values, dict) or not all(isinstance(value, list) for value in values.values()):
        raise UserError(f"{where}: must hold one object, of lists of examples by the name of their set")
    return values


def _from_python(text: str, where: str) -> dict[str, list[Any]]:
    """Collect assignments ``anything["name"] = [literals]``; other code is passed over."""
    try:
        nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Assign)]
    except SyntaxError as error:
        raise UserError(f"{where}, line {error.lineno}: not valid Python: {error.msg}") from None
    sets = {}
    for node in nodes:
        target = node.targets[0]
        if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
            try:
                sets[str(target.slice.value)] = list(ast.literal_eval(node.value))
            except (ValueError, TypeError):
                continue  # computed by the file's code, which is not run
    return sets


def _normalise(item: Any, where: str) -> dict[str, str]:
    """Return an example given as a mapping or as a pair; its texts stay as they are."""
    pair = [item.get("question"), item.get("answer")] if isinstance(item, dict) else item
    whole = isinstance(pair, list | tuple) and len(pair) == 2
    if not whole or not all(isinstance(text, str) and text for text in pair):
        raise UserError(f"{where}: not an example; it needs the texts 'question' and 'answer'")
    return {"question": pair[0], "answer": pair[1]}
