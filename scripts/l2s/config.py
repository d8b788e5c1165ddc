"""Configuration entries: one small YAML file each, checked against a pydantic model that refuses unknown keys.

An entry may say ``extends: <another entry of its folder>``: it has that entry's keys, and its own keys replace them,
each as a whole. What reads an entry (paths, digests, jobs) sees the result only.
"""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from l2s.errors import UserError
from l2s.yaml_files import read_yaml

PROJECT = Path(__file__).resolve().parents[2]
"""The project's folder."""
CONFIG = PROJECT / "config"
"""Where entries lie."""

Entry = TypeVar("Entry", bound=BaseModel)
# How pydantic names the branch of a union in an error's location; not a key of the user's.
UNION_BRANCH = re.compile(r"(dict|list|tuple|literal|constrained|function-\w+)[-\[]|float$|str$|int$")

# Names are parts of paths, of Snakemake's targets, and of pages.
NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")
NAME_RULE = "letters, digits, '_', '.' and '-', the first one no '.' or '-', and at most 100 of them"

LIST_WANTED = "Input should be a list, e.g. [mine]"
EXTENDS = "extends"


class StrictModel(BaseModel):
    """Base of every configuration model: immutable, an unknown key is an error, and numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def validate(schema: type[Entry], values: Any, where: str) -> Entry:
    """Check ``values`` against ``schema``.

    Args:
        schema: The pydantic model.
        values: What was read, normally a mapping.
        where: What the error calls the source, e.g. the file's path.

    Raises:
        UserError: Names the source, every wrong key and what is accepted there.
    """
    if not isinstance(values, dict):
        raise UserError(f"{where}: expected a mapping of keys to values, found {type(values).__name__}")
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(_explain(schema, problem) for problem in _telling(error.errors()))
        raise UserError(f"{where}: {problems}") from None


def _telling(problems: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what another complaint explains better.

    That is a default that could not be made for want of another key, the length of a list whose items are wrong, and,
    where a key may be of several types, those that the value is not meant to be.
    """
    problems = [problem for problem in problems if problem["type"] != "default_factory_not_called"]
    inside = [problem["loc"][:-1] for problem in problems]
    problems = [problem for problem in problems if problem["type"] != "too_short" or problem["loc"] not in inside]
    keys = [problem["loc"][:1] for problem in problems]
    fitting = {key for key, problem in zip(keys, problems, strict=True) if not _is_of_type(problem)}
    return [
        problem
        for key, problem in zip(keys, problems, strict=True)
        if keys.count(key) == 1 or key not in fitting or not _is_of_type(problem)
    ]


def _is_of_type(problem: dict[str, Any]) -> bool:
    """Say whether a complaint is about the kind of value: another type, or a mapping or list in place of a word."""
    no_word = problem["type"] == "literal_error" and isinstance(problem["input"], dict | list)
    return no_word or problem["type"].endswith("_type")


def _explain(schema: type[BaseModel], problem: dict[str, Any]) -> str:
    # What comes first is the user's own key, whatever it looks like.
    key = ".".join(str(part) for n, part in enumerate(problem["loc"]) if n == 0 or not UNION_BRANCH.match(str(part)))
    if problem["type"] == "extra_forbidden":
        known = [field.alias or name for name, field in schema.model_fields.items()]
        return f"unknown key '{key}'" + suggestion(key, known, "the keys are")
    if problem["type"] == "missing":
        return f"key '{key}' is missing"
    found = problem.get("input")
    shown = f" (found {found!r})" if isinstance(found, str | int | float | bool | None) else ""
    message = LIST_WANTED if problem["type"] == "tuple_type" else problem["msg"].removeprefix("Value error, ")
    return f"key '{key}': {message}{shown}" if problem["loc"] else f"{message}{shown}"


def suggestion(word: str, known: list[str], lead: str) -> str:
    """Return a remedy for a misspelt ``word``: the nearest of ``known``, else all of them after ``lead``."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; {lead} {', '.join(sorted(known)) or '(none)'}"


def read_values(path: Path, extended_by: tuple[Path, ...] = ()) -> Any:
    """Read one entry's file, on top of the entry that its key ``extends`` names, if it has one.

    Args:
        path: The file.
        extended_by: The files that extend it, the first one read first.

    Raises:
        UserError: A file is missing or malformed, or an entry extends itself or one that does not exist.
    """
    values = read_yaml(path)
    if not isinstance(values, dict) or EXTENDS not in values:
        return values
    own = {key: value for key, value in values.items() if key != EXTENDS}
    name, where = values[EXTENDS], f"{path}: key '{EXTENDS}'"
    if not isinstance(name, str):
        raise UserError(f"{where}: expected the name of one entry of the same folder (found {name!r})")
    start = find_entry(path.parent, name, where)
    if start in (around := (*extended_by, path)):
        names = " > ".join(file.stem for file in (*around[around.index(start) :], start))
        raise UserError(f"{where}: an entry cannot extend itself ({names}); remove one '{EXTENDS}'")
    inherited = read_values(start, around)
    if not isinstance(inherited, dict):
        raise UserError(f"{where}: {start} holds no mapping of keys to values")
    return {**inherited, **own}


def read_entry(path: Path, schema: type[Entry]) -> Entry:
    """Read and check one entry file."""
    return validate(schema, read_values(path), str(path))


def find_entry(folder: Path, name: str, asked_by: str) -> Path:
    """Return the file of the entry ``name`` in ``folder``.

    Raises:
        UserError: It cannot be the name of an entry, or there is no such entry; names who asked for it, and the entries
            that exist.
    """
    if not NAME.fullmatch(name):
        raise UserError(
            f"{asked_by}: an entry cannot be called {name[:60]!r}: a name has {NAME_RULE}; correct it, or rename its "
            "file"
        )
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = [file.stem for file in folder.glob("*.yaml")]
        hint = suggestion(name, known, "there are")
        raise UserError(f"{asked_by}: '{name}' is unknown: there is no file {path}{hint}")
    return path


def entry_path(folder: Path, given: str, asked_by: str) -> Path:
    """Return the file that a user means: a path if it looks like one, an entry of ``folder``, or any other file."""
    path = Path(given)
    looks_like_path = path.suffix in (".yaml", ".yml") or "/" in given
    if looks_like_path or (path.is_file() and not (folder / f"{given}.yaml").is_file()):
        return path
    return find_entry(folder, given, asked_by)


@dataclass(frozen=True)
class Named(Generic[Entry]):
    """An entry, and what it is called.

    Attributes:
        name: Its name: its file's, without suffix.
        entry: What it says.
        where: What errors call it, normally its file.
    """

    name: str
    entry: Entry
    where: str


def entry_option(kind: str, schema: type[Entry], asked_by: str) -> Callable[[str], Named[Entry]]:
    """Return the parser of an option that takes an entry of ``config/<kind>/`` by its name, or a YAML file.

    Args:
        kind: Folder of the entries, e.g. ``benchmarks``.
        schema: Their pydantic model.
        asked_by: What errors call the option, e.g. ``--benchmark``.
    """

    def parse(given: str) -> Named[Entry]:
        path = entry_path(CONFIG / kind, given, asked_by)
        return Named(path.stem, read_entry(path, schema), str(path))

    return parse


def entry_of_rule(kind: str, schema: type[Entry], name: str, values: dict[str, Any]) -> Named[Entry]:
    """Return the entry of ``config/<kind>/`` that a rule passes as plain values."""
    where = f"config/{kind}/{name}.yaml"
    return Named(name, validate(schema, values, where), where)


class NamedPath(NamedTuple):
    """A file, and the name that it is given for."""

    name: str
    path: Path


def named_path_option(option: str, example: str) -> Callable[[str], NamedPath]:
    """Return the parser of an option that takes NAME=PATH; paths become absolute.

    Args:
        option: What errors call it, e.g. ``--calibration``.
        example: What its error shows, e.g. ``base=activations.json``.
    """

    def parse(given: str) -> NamedPath:
        name, equals, path = given.partition("=")
        if not (name and equals and path):
            raise UserError(f"{option} {given}: give NAME=PATH, e.g. {example}")
        return NamedPath(name, Path(path).resolve())

    return parse
