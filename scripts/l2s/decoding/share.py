"""Shares of a checkpoint's questions, which jobs decode side by side: each takes every so many-th batch."""

import re
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from l2s.errors import UserError

Item = TypeVar("Item")


class Share(NamedTuple):
    """One of several equal shares, e.g. the second of four.

    Attributes:
        number: Which one, from 1.
        count: How many there are.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Share":
        """Return the share that ``2-of-4`` names.

        Raises:
            UserError: It names none.
        """
        found = re.fullmatch(r"(\d+)-of-(\d+)", text)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise UserError(f"a share of the questions is written like 2-of-4, the second of four (found '{text}')")
        return cls(int(found[1]), int(found[2]))

    @property
    def suffix(self) -> str:
        """What it adds to a name; nothing if it is the whole."""
        return "" if self == WHOLE else f"-{self}"

    def of(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return its part of the items."""
        return items[self.number - 1 :: self.count]

    def __str__(self) -> str:
        return f"{self.number}-of-{self.count}"


WHOLE = Share(1, 1)
