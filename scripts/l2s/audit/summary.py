"""How many numbers have which verdict: by table, and by assumption."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from l2s.contracts.audit import DIFFERS, VERDICTS


class Count(NamedTuple):
    """Numbers that have something in common.

    Attributes:
        name: What they have in common: a table or an assumption.
        verdicts: How many have each verdict, those of VERDICTS in order.
        compared: Of those that differ, beside how many stands an alternative.
        explained: Of those that differ, how many an alternative explains.
    """

    name: str
    verdicts: tuple[int, ...]
    compared: int
    explained: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.verdicts)


def by_table(audited: Mapping[str, pa.Table]) -> list[Count]:
    """Count the lines of each table."""
    return [_count(table, lines.to_pylist()) for table, lines in audited.items()]


def by_assumption(audited: Mapping[str, pa.Table], assumed: Iterable[str]) -> list[Count]:
    """Count the lines that each assumption reaches, where an alternative is one of its own; none without lines."""
    lines = [line for table in audited.values() for line in table.to_pylist()]
    counts = [_count(name, [line for line in lines if name in line["assumptions"]], name) for name in assumed]
    return [count for count in counts if count.total]


def _count(name: str, lines: list[dict[str, Any]], assumption: str | None = None) -> Count:
    verdicts = Counter(line["verdict"] for line in lines)
    beside = [
        [one for one in line["alternatives"] if assumption in (None, one["assumption"])]
        for line in lines
        if line["verdict"] == DIFFERS
    ]
    return Count(
        name,
        tuple(verdicts[verdict] for verdict in VERDICTS),
        sum(bool(found) for found in beside),
        sum(any(one["explains"] for one in found) for found in beside),
    )
