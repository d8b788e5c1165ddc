"""What published numbers say of themselves, one kind of finding a module: ``find(published)`` returns its findings.

Nothing has to be run for them: each is arithmetic on the files of ``config/published``.
"""

import importlib
from typing import NamedTuple

from l2s.audit.published import KEY, Published
from l2s.modules import module_names


class Finding(NamedTuple):
    """Something about published numbers.

    Attributes:
        title: What is found, one sentence.
        arithmetic: How it follows, in words and with the numbers.
        cells: The numbers that it is about, as the columns KEY of ``Published.cells``.
        impossible: Those of them that cannot be right, whatever anybody measures.
    """

    title: str
    arithmetic: str
    cells: tuple[tuple, ...]
    impossible: tuple[tuple, ...] = ()


def find_all(published: Published) -> list[Finding]:
    """Return the findings of all kinds."""
    modules = [importlib.import_module(f"{__name__}.{name}") for name in module_names(__name__)]
    return [finding for module in modules for finding in module.find(published)]


def key_of(row: object) -> tuple:
    """Return what tells a number from all others, of a row of ``Published.cells``."""
    return tuple(getattr(row, name) for name in KEY)
