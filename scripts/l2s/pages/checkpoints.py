"""The pages of checkpoints: what each is, what its merge did, and every study's numbers of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from l2s.analysis.charts import dotted
from l2s.checkpoints.manifest import Manifest
from l2s.files import read_json
from l2s.pages.cells import Cell, Column, Group, PageTable, Row, sort_value
from l2s.pages.found import RUN_AGAIN, Found
from l2s.pages.links import to_checkpoint, to_table
from l2s.pages.render import render
from l2s.pages.tables import study_table

TEMPLATE = "checkpoint.html.j2"
SAID_ELSEWHERE = ("base", "models")  # of a recipe: they are its parents
DECODED = ("Decode settings", "Engine", "Device", "dtype", "Budget", "Context length", "Temperature", "Responses")
Facts = list[tuple[str, str, str | None]]
"""Names, values, and where a value leads."""


def write_checkpoints(found: Found) -> None:
    """Write a page for every checkpoint and import of a results folder; those of others go."""
    written = {_write(found, name, title) for name, title in found.checkpoints.items()}
    for page in found.path(found.layout.checkpoint_pages).rglob("*.html"):
        if page not in written:
            page.unlink()


def _write(found: Found, name: str, title: str) -> Path:
    out = found.path(found.layout.checkpoint_page(name))
    manifest = found.manifests.get(name)
    figure = {suffix: found.linked(found.layout.merge_figure(name, suffix)) for suffix in ("svg", "html")}
    decoded = list(_decodings(found, name))
    render(
        TEMPLATE,
        out,
        results=found.results,
        title=found.titled(title),
        checkpoint=name,
        facts=_facts(found, manifest) if manifest else [],
        recipe=_recipe(manifest) if manifest else [],
        manifest=found.linked(found.layout.manifest(name)),
        card=found.linked(f"{found.layout.checkpoint(name)}/README.md"),
        figure=figure if all(figure.values()) else None,
        decoded=PageTable([Column(one, number=False) for one in DECODED], [Group([row for row, _ in decoded])])
        if decoded
        else None,
        prompts=[(row.cells[0].text, prompt) for row, prompt in decoded if prompt],
        measured=list(_measured(found, name)),
    )
    return out


def _facts(found: Found, manifest: Manifest) -> Facts:
    pages = {one.content_id: name for name, one in found.manifests.items() if one.kind == "fetched"}
    facts: Facts = [("kind", manifest.kind, None), ("content_id", manifest.content_id, None)]
    facts += [(key, value, None) for key in ("source", "licence") if (value := getattr(manifest, key))]
    for parent in manifest.parents:
        page = pages.get(parent.content_id)
        facts.append((f"parent, {parent.used_as}", parent.source, page and to_checkpoint(page)))
    facts += [(f"calibration, {read.name}", read.path, None) for read in manifest.calibrations]
    facts += [(f"policy, {difference}", policy, None) for difference, policy in manifest.policies.items()]
    kinds = ", ".join(sorted({record.dtype for record in manifest.tensors.values()}))
    size = sum(record.bytes for record in manifest.files.values())
    weights = (
        f"{len(manifest.tensors):,} tensors, {manifest.elements:,} numbers, {kinds}; {size / 1e6:,.1f} MB of files"
    )
    return [*facts, ("weights", weights, None)]


def _recipe(manifest: Manifest) -> list[tuple[str, Any]]:
    """Return method and hyper-parameters, nested ones by dotted names."""
    kept = {key: value for key, value in (manifest.recipe or {}).items() if key not in SAID_ELSEWHERE}
    return list(dotted(kept).items())


def _decodings(found: Found, name: str) -> Iterator[tuple[Row, str]]:
    """Yield how a checkpoint was decoded, as a row of DECODED, and its first prompt."""
    folder = f"responses/{name}"
    for decoding in found.names(folder, ".json") if (found.results / folder).is_dir() else []:
        said = read_json(found.path(found.layout.responses(name, decoding, "json")), RUN_AGAIN)
        settings, engine = said.get("settings", {}), said.get("engine", {})
        shown = [
            decoding,
            settings.get("engine"),
            engine.get("device"),
            settings.get("dtype"),
            settings.get("max_new_tokens"),
            settings.get("context_length"),
            settings.get("sampling", {}).get("temperature"),
            said.get("responses"),
        ]
        texts = ["" if value is None else f"{value:,}" if isinstance(value, int) else str(value) for value in shown]
        yield Row([Cell(text, sort_value(text)) for text in texts]), str(said.get("first_prompt") or "")


def _measured(found: Found, name: str) -> Iterator[tuple[str, str, PageTable]]:
    """Yield the title of each study that measures a checkpoint, where it leads, and its rows."""
    for study, table in found.tables.items():
        rows = table.summary.filter(pc.field("checkpoint") == name)
        if len(rows):
            yield table.title, to_table(study), study_table(rows, table.compared)
