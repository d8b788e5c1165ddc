"""What an audit is made from: the published numbers, and the files of the studies that measure them.

It follows from the studies: one that says ``audits: <table>`` measures the numbers of that table. Nothing is read here.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from l2s.config import CONFIG, StrictModel, find_entry, read_values
from l2s.contracts.audit import CLAIMS
from l2s.errors import UserError
from l2s.experiment.studies.noise import NoiseStudy
from l2s.experiment.studies.table import TableStudy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from l2s.experiment import Experiment
    from l2s.layout import Layout

FOLDER = CONFIG / "published"


class TableFiles(StrictModel):
    """What a study with a table has measured."""

    table: str = Field(description="Parquet file with the schema TABLE")
    comparisons: str = Field(description="Parquet file with the schema COMPARISONS")
    unlike: str | None = Field(None, description="why none of its numbers can be compared; null: they can")


class Spec(StrictModel):
    """What an audit is made from."""

    title: str
    published: str = Field(description="folder of config/published")
    results: str = Field(description="results folder, where the pages go")
    audits: dict[str, str] = Field({}, description="by table of the published numbers, the study that measures them")
    tables: dict[str, TableFiles] = Field({}, description="by name, every configured study with a table")
    noise: dict[str, str] = Field({}, description="by name, the Parquet file of every configured noise study")


def published_tables(name: str) -> list[str]:
    """Return the tables of ``config/published/<name>``, in order, that of claims included."""
    files = [FOLDER / name / "cells.csv", *sorted((FOLDER / name).glob("figure_*.csv"))]
    tables = dict.fromkeys(row["table"] for file in files for row in _rows(file))
    return [*tables, *([CLAIMS] if (FOLDER / name / "claims.csv").is_file() else [])]


def audit_spec(experiment: Experiment, layout: Layout) -> Spec | None:
    """Return what the audit of a configuration is made from; None if it names no published numbers.

    Raises:
        UserError: There are no such numbers, or a study says that it measures a table that there is not, or one that
            another study measures as well.
    """
    config = experiment.config
    if config.published is None:
        return None
    known = {file.parent.name: set(published_tables(file.parent.name)) for file in FOLDER.glob("*/cells.csv")}
    if config.published not in known:
        raise UserError(
            f"key 'published' of the configuration: there is no folder {FOLDER / config.published}; there are "
            + ", ".join(sorted(known))
        )
    studies = {name: experiment.studies[name] for name in experiment.targets}
    return Spec(
        title=config.titled(f"Audit: published numbers ({config.published}) beside ours"),
        published=config.published,
        results=layout.results,
        audits=_audits(experiment, known),
        tables={
            name: TableFiles(
                table=layout.table(name),
                comparisons=layout.comparisons(name),
                unlike=_unlike(experiment, study.benchmarks),
            )
            for name, study in studies.items()
            if isinstance(study, TableStudy)
        },
        noise={name: layout.noise(name) for name, study in studies.items() if isinstance(study, NoiseStudy)},
    )


def in_all(spec: Spec | None) -> bool:
    """Say whether the audit belongs to what a plain run makes: if any of its numbers is measured."""
    return spec is not None and bool(spec.audits)


def members(study: str) -> list[str]:
    """Return a study, or those of a group, by its entry in config/studies, configured or not."""
    values = read_values(find_entry(CONFIG / "studies", study, "an assumption's study"))
    return [name for member in values["studies"] for name in members(member)] if "studies" in values else [study]


def _unlike(experiment: Experiment, benchmarks: Iterable[str]) -> str | None:
    if experiment.config.stand_ins:
        return "a rehearsal: with stand-ins for the models"
    cut = [name for name in benchmarks if experiment.registry.is_cut(name)]
    return f"only the first {experiment.config.first_questions} questions of {', '.join(cut)}" if cut else None


def _audits(experiment: Experiment, known: dict[str, set[str]]) -> dict[str, str]:
    audits: dict[str, str] = {}
    for name, study in experiment.studies.items():
        table = getattr(study, "audits", None)
        where = f"{experiment.registry.file('studies', name)}: key 'audits'"
        if table is None:
            continue
        if table not in set().union(*known.values()) - {CLAIMS}:
            raise UserError(f"{where}: no published numbers of {FOLDER} have a table '{table}'; correct or remove it")
        if table not in known[experiment.config.published]:
            continue
        if table in audits:
            raise UserError(f"{where}: study '{audits[table]}' says table {table} as well; set the key to null in one")
        audits[table] = name
    return audits


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
