"""Published numbers, as a folder of ``config/published`` holds them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from l2s.contracts.audit import CLAIMS

KEY = ["table", "pair", "method", "label", "benchmark", "level", "metric"]
"""What tells a number from all others."""
TEXTS = {"table": str, "section": str, "value": str, "low": str, "high": str, "setting": str, "against_setting": str}


@dataclass(frozen=True)
class Published:
    """Published numbers.

    Attributes:
        folder: Where they lie.
    """

    folder: Path

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One line for each number of tables and figures: the columns KEY, ``setting``, ``unit``, ``printed`` (text),
        ``value`` (float) and ``rounding``, half a unit of the last digit that its table prints of this metric. Where
        there is none, setting is '' and level None."""
        files = [self.folder / "cells.csv", *sorted(self.folder.glob("figure_*.csv"))]
        frame = pd.concat([_read(file) for file in files], ignore_index=True)
        frame = frame.reindex(columns=[*KEY, "setting", "unit", "value"])
        frame["setting"] = frame["setting"].fillna("")
        frame["level"] = pd.Series([None if pd.isna(level) else int(level) for level in frame["level"]], dtype=object)
        frame = frame.rename(columns={"value": "printed"})
        frame["value"] = frame["printed"].astype(float)
        digits = frame["printed"].map(decimals).groupby([frame["table"], frame["metric"]]).transform("max")
        frame["rounding"] = 0.5 * 10.0**-digits
        return frame

    @cached_property
    def claims(self) -> pd.DataFrame:
        """One line for each claim of the text, the columns of claims.csv and ``rounding``; none without that file."""
        file = self.folder / "claims.csv"
        if not file.is_file():
            return pd.DataFrame()
        frame = _read(file)
        digits = frame[["low", "high"]].map(lambda text: 0 if pd.isna(text) else decimals(text)).max(axis=1)
        frame["rounding"] = 0.5 * 10.0**-digits
        return frame.astype({"low": float, "high": float})

    @cached_property
    def responses(self) -> dict[tuple[str | None, str, int | None], int]:
        """By (table or None for all others, benchmark, level or None), of how many responses a share is one."""
        frame = pd.read_csv(self.folder / "responses.csv", dtype={"table": str})
        return {
            (_or_none(row.table), row.benchmark, None if pd.isna(row.level) else int(row.level)): int(row.responses)
            for row in frame.itertuples()
        }

    def responses_of(self, table: str, benchmark: str, level: int | None = None) -> int | None:
        """Return of how many responses a share in a table is one; None if there is no such number, as for the mean."""
        return self.responses.get((table, benchmark, level), self.responses.get((None, benchmark, level)))

    @property
    def tables(self) -> list[str]:
        """The tables and figures, in order, and that of claims, if there are any."""
        return [*dict.fromkeys(self.cells["table"]), *([CLAIMS] if len(self.claims) else [])]

    def wide(self, table: str, metric: str) -> pd.DataFrame:
        """Return a metric of a table: a row for each (pair, method, label), a column for each benchmark."""
        rows = self.cells[
            (self.cells["table"] == table) & (self.cells["metric"] == metric) & self.cells["level"].isna()
        ]
        order = list(dict.fromkeys(rows["benchmark"]))
        index = ["pair", "method", "label"]
        return rows.pivot(index=index, columns="benchmark", values="value").reindex(columns=order)


def decimals(text: str) -> int:
    """Return how many digits a printed number has behind its point."""
    return len(text.partition(".")[2])


def _read(file: Path) -> pd.DataFrame:
    return pd.read_csv(file, dtype=TEXTS)


def _or_none(value: object) -> str | None:
    return None if pd.isna(value) else str(value)
