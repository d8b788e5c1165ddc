"""What lies in a results folder that the entry page and the checkpoints' pages show."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from l2s.checkpoints.manifest import MANIFEST_NAME, Manifest, read_manifest
from l2s.config import read_yaml, validate
from l2s.contracts.comparisons import COMPARISONS
from l2s.contracts.parquet import read_metadata, read_table
from l2s.contracts.run import Run
from l2s.contracts.table import TABLE
from l2s.files import read_json
from l2s.layout import ROUND, RUN, Layout

RUN_AGAIN = "run the workflow again, which writes it anew"


class StudyTable(NamedTuple):
    """A study's table (schema TABLE), what was said of it, and its comparisons (schema COMPARISONS)."""

    study: str
    title: str
    summary: pa.Table
    compared: pa.Table


class Found:
    """Reads a results folder.

    Attributes:
        results: The folder.
        layout: Its layout, with paths relative to the folder.
    """

    def __init__(self, results: Path) -> None:
        self.results, self.layout = results, Layout(".")

    def path(self, inside: str) -> Path:
        """Return a path of the layout as a file."""
        return self.results / inside

    def names(self, folder: str, suffix: str) -> list[str]:
        """Return the files of a suffix below a folder, relative to it and without the suffix."""
        top = self.results / folder
        return sorted(str(path.relative_to(top)).removesuffix(suffix) for path in top.rglob(f"*{suffix}"))

    def linked(self, inside: str) -> str | None:
        """Return a path of the layout if there is such a file."""
        return inside.removeprefix("./") if self.path(inside).is_file() else None

    @cached_property
    def run(self) -> Run | None:
        """What the last run was; None if the folder has none."""
        path = self.path(self.layout.run_file(RUN))
        return validate(Run, read_json(path, RUN_AGAIN), str(path)) if path.is_file() else None

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """The configuration of the last run, with its entries; empty if there is none."""
        path = self.path(self.layout.run_file("configuration.yaml"))
        return read_yaml(path) if path.is_file() else {}

    def titled(self, title: str) -> str:
        """Return a page's title, behind what the configuration puts before every title."""
        return self.configuration.get("configuration", {}).get("title_prefix", "") + title

    @cached_property
    def studies(self) -> list[str]:
        """The studies of the configuration in their order, in place of groups their members, then others; neither those
        of spectra, which have no lines, nor the rounds of searches."""
        known = self.configuration.get("studies", {})

        def members(name: str) -> Iterator[str]:
            entry = known.get(name, {})
            if entry.get("kind") == "group":
                for member in entry["studies"]:
                    yield from members(member)
            elif entry.get("kind") != "spectra":
                yield name

        asked = self.configuration.get("configuration", {}).get("studies", [])
        there = [*self.names("tables", ".parquet"), *self.names("noise", ".parquet")]
        every = dict.fromkeys([*(name for study in asked for name in members(study)), *there])
        return [name for name in every if ROUND not in name]

    @cached_property
    def tables(self) -> dict[str, StudyTable]:
        """The tables that are there, by study."""
        return {study: self._table(study) for study in self.studies if self.linked(self.layout.table(study))}

    def _table(self, study: str) -> StudyTable:
        path, compared = self.path(self.layout.table(study)), self.path(self.layout.comparisons(study))
        return StudyTable(
            study,
            read_metadata(path)["title"],
            read_table(path, TABLE),
            read_table(compared, COMPARISONS) if compared.is_file() else COMPARISONS.empty_table(),
        )

    @cached_property
    def manifests(self) -> dict[str, Manifest]:
        """The manifests of checkpoints, by checkpoint."""
        names = self.names("checkpoints", f"/{MANIFEST_NAME}")
        return {name: read_manifest(self.path(self.layout.manifest(name))) for name in names}

    @cached_property
    def checkpoints(self) -> dict[str, str]:
        """All checkpoints and imports, by name, with what tables call them."""
        titles: dict[str, str] = {}
        for table in self.tables.values():
            rows = table.summary.select(["checkpoint", "pair", "recipe"]).group_by(["checkpoint", "pair", "recipe"])
            for row in rows.aggregate([]).to_pylist():
                made = "/" in row["checkpoint"].removeprefix("models/").removeprefix("imports/")
                title = f"{row['pair']}: {row['recipe']}" if made else row["recipe"]
                titles.setdefault(row["checkpoint"], title)
        return {name: titles.get(name, name) for name in sorted({*self.manifests, *titles})}
