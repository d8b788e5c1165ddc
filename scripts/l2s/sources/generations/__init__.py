"""Formats of generation files, one module each.

``SUFFIXES`` are those of its files, ``FIELDS`` what every record has, by which a file of another format is recognised,
and ``read`` turns a file's records into generations.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from l2s.errors import UserError
from l2s.modules import module_names, module_of
from l2s.sources.generation import Generation, Record

FORMATS = "l2s.sources.generations"


class Format(Protocol):
    """What a module of this package has."""

    SUFFIXES: tuple[str, ...]
    FIELDS: frozenset[str]
    read: Callable[[Iterable[Record]], Iterator[Generation]]


def format_module(name: str, where: str) -> str:
    """Return the module of a format.

    Raises:
        UserError: There is no such format.
    """
    return module_of(FORMATS, name, where, "format")


def generation_formats() -> list[str]:
    """Return the names of all formats."""
    return module_names(FORMATS)


def generation_format(name: str, where: str) -> Format:
    """Load a format."""
    return importlib.import_module(format_module(name, where))


def check_format(name: str, suffix: str, record: Record) -> None:
    """Refuse a file whose first record is not of the format; say which one it looks like.

    Raises:
        UserError: The file has another suffix than the format's, or the record lacks a field.
    """
    wanted = generation_format(name, record.place)
    if suffix in wanted.SUFFIXES and record.values.keys() >= wanted.FIELDS:
        return
    others = {other: generation_format(other, record.place) for other in module_names(FORMATS)}
    fitting = [
        other for other, known in others.items() if suffix in known.SUFFIXES and record.values.keys() >= known.FIELDS
    ]
    looks = f"it looks like format '{max(fitting, key=lambda other: len(others[other].FIELDS))}'" if fitting else ""
    lacking = ", ".join(sorted(wanted.FIELDS - record.values.keys()))
    reason = f"field {lacking} is missing" if lacking else f"its files end in {' or '.join(wanted.SUFFIXES)}"
    raise UserError(f"{record.place}: not of format '{name}' ({reason}); {looks or 'correct the entry or the file'}")
