"""Tables that pages show: what template ``table_parts.html.j2`` writes, and how cells of text become one."""

import re
from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from l2s.analysis.render_table import WORDS

MORE_WORDS = ("Study", "Question", "Gold", "Kind")
"""Columns of pages that are not numbers, besides those of tables in files."""
NUMBER = re.compile(r"[≥≤]?\s*([+−-]?\d[\d,]*(?:\.\d+)?)")
BEST, TIED = "best", "tied"


class Cell(NamedTuple):
    """A cell.

    Attributes:
        text: What it shows.
        value: What it sorts by, in place of its text.
        mark: How it is marked: ``BEST``, ``TIED`` (not to be told from the best), or not at all.
        link: Where its text leads: an address relative to the results folder, quoted.
    """

    text: str
    value: float | str | None = None
    mark: str = ""
    link: str | None = None


class Column(NamedTuple):
    """A column: its heading, a heading above several neighbours, and whether it holds numbers."""

    name: str
    above: str = ""
    number: bool = True


class Row(NamedTuple):
    """A row; ``first`` of those that belong together, which a line separates from the ones above."""

    cells: list[Cell]
    first: bool = False


class Group(NamedTuple):
    """Rows that stay together when the table is sorted, and their heading."""

    rows: list[Row]
    name: str = ""


class PageTable(NamedTuple):
    """A table, and the heading above it."""

    columns: list[Column]
    groups: list[Group]
    heading: str = ""

    @property
    def above(self) -> list[tuple[str, int]]:
        """The headings above neighbouring columns, and how many columns each spans; none if no column has one."""
        spans: list[tuple[str, int]] = []
        for column in self.columns:
            if spans and spans[-1][0] == column.above:
                spans[-1] = (column.above, spans[-1][1] + 1)
            else:
                spans.append((column.above, 1))
        return spans if any(name for name, _ in spans) else []


def column_named(name: str) -> Column:
    """Return a column by its heading, which says whether it holds numbers."""
    return Column(name, number=name not in (*WORDS, *MORE_WORDS) and not name.endswith("grader"))


def of_frame(frame: pd.DataFrame, heading: str = "") -> PageTable:
    """Return a table of text cells as pages show it."""
    rows = [Row([Cell(str(text), sort_value(str(text))) for text in line]) for line in frame.itertuples(index=False)]
    return PageTable([column_named(str(name)) for name in frame.columns], [Group(rows)], heading)


def sort_value(text: str) -> float | None:
    """Return the number that a text begins with, also behind ≥ or ≤; None if it begins with none."""
    found = NUMBER.match(text)
    return float(found[1].replace("−", "-").replace(",", "")) if found else None


def plain(cells: Iterable[str]) -> Row:
    """Return a row of texts."""
    return Row([Cell(text, sort_value(text)) for text in cells])
