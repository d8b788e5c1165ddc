"""The entry page of a results folder: what was run, and the way to everything that is in it.

It is made from the folder alone, and from the same folder always the same, so that it can be written again at any time.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from l2s.analysis.marks import LEGEND
from l2s.contracts.audit import AUDIT, VERDICTS
from l2s.contracts.parquet import read_table
from l2s.errors import UserError
from l2s.files import read_json
from l2s.layout import IMPORTS
from l2s.pages.cells import Cell, Column, Group, PageTable, Row, plain
from l2s.pages.checkpoints import write_checkpoints
from l2s.pages.found import RUN_AGAIN, Found
from l2s.pages.links import inside, to_checkpoint
from l2s.pages.render import render
from l2s.pages.tables import study_table

TEMPLATE = "index.html.j2"


class StudySection(NamedTuple):
    """What the entry page shows of a study.

    Attributes:
        name: The study.
        title: Its title.
        table: Its main table; None if it is not there.
        links: Its pages: what they are, and where.
        figures: Names of figures, pictures and pages.
    """

    name: str
    title: str
    table: PageTable | None
    links: list[tuple[str, str]]
    figures: list[tuple[str, str, str]]


def write_index(results: Path) -> Path:
    """Write the entry page of a results folder and the pages of its checkpoints; return the entry page.

    Raises:
        UserError: There is no such folder, or a file in it is damaged.
    """
    if not results.is_dir():
        raise UserError(f"{results}: no such folder; name a results folder, or run the workflow, which makes one")
    found = Found(results)
    write_checkpoints(found)
    out = found.path(found.layout.index)
    render(
        TEMPLATE,
        out,
        results=results,
        title=found.titled(f"Long to short: {results.resolve().name}"),
        legend=LEGEND,
        run=found.run,
        files=[name for name in ("configuration.yaml", "installed.txt") if found.linked(found.layout.run_file(name))],
        audit=_audit(found),
        studies=[_study(found, study) for study in found.studies],
        models=_models(found),
        benchmarks=_benchmarks(found),
        checkpoints=_checkpoints(found),
        calibrations=_calibrations(found),
        spectra=list(_spectra(found)),
        timings=_timings(found),
    )
    return out


def _study(found: Found, study: str) -> StudySection:
    layout, table = found.layout, found.tables.get(study)
    title = table.title if table else found.configuration.get("studies", {}).get(study, {}).get("title", study)
    pages = {
        "table": layout.table(study, "html"),
        "responses": layout.responses_page(study),
        "where graders differ": layout.disagreements(study, "html"),
        "noise": layout.noise(study, "html"),
        "what the search found": layout.shortened_page(study),
    }
    links = [(what, inside(path)) for what, path in pages.items() if found.linked(path)]
    figures = [
        (name.replace("_", " "), inside(layout.figure(study, name, "svg")), inside(layout.figure(study, name)))
        for name in found.names(f"figures/{study}", ".svg")
        if study not in ("merges", "spectra")
    ]
    return StudySection(study, title, table and study_table(table.summary, table.compared), links, figures)


def _audit(found: Found) -> list[tuple[str, int]] | None:
    """Return how many published numbers have each verdict; None without an audit."""
    if not found.linked(found.layout.audit("index", "html")):
        return None
    tables = [read_table(found.path(f"audit/{name}.parquet"), AUDIT) for name in found.names("audit", ".parquet")]
    counts = Counter(verdict for table in tables for verdict in table["verdict"].to_pylist())
    return [(verdict, counts[verdict]) for verdict in VERDICTS]


def _models(found: Found) -> PageTable | None:
    fetched = {name: one for name, one in found.manifests.items() if one.kind == "fetched"}
    rows = [
        Row([Cell(found.checkpoints[name], link=to_checkpoint(name)), Cell(one.source or ""), Cell(one.licence or "")])
        for name, one in fetched.items()
    ]
    return _table(["Model", "Source", "Licence"], rows)


def _benchmarks(found: Found) -> PageTable | None:
    rows = []
    for name, entry in found.configuration.get("benchmarks", {}).items():
        source = entry["source"]
        where = source["repo"] or source["url"] or source["path"] or ""
        asked = min(filter(None, [entry["rows"], entry["first"]]))
        rows.append(Row([Cell(name), Cell(f"{asked:,}", asked), Cell(where), Cell((entry["sha256"] or "")[:16])]))
    return _table(["Benchmark", "Questions", "Source", "sha256"], rows)


def _checkpoints(found: Found) -> PageTable | None:
    rows = []
    for name, title in found.checkpoints.items():
        manifest, figure = found.manifests.get(name), found.layout.merge_figure(name)
        kind = manifest.kind if manifest else "imported" if name.startswith(IMPORTS) else ""
        drawn = Cell("figure", link=inside(figure)) if found.linked(figure) else Cell("")
        content = Cell(manifest.content_id[:12] if manifest else "")
        rows.append(Row([Cell(title, link=to_checkpoint(name)), Cell(kind), drawn, content]))
    return _table(["Checkpoint", "Kind", "Merge", "content_id"], rows)


def _calibrations(found: Found) -> PageTable | None:
    rows = []
    for name in found.names("calibrations", ".json"):
        said = read_json(found.path(found.layout.calibration(name)), RUN_AGAIN)
        rows.append(
            plain([name, str(said.get("calibration_data", "")), *(_count(said, key) for key in ("count", "tokens"))])
        )
    return _table(["Calibration", "Data", "Texts", "Tokens"], rows)


def _count(said: dict[str, Any], key: str) -> str:
    return f"{said[key]:,}" if key in said else ""


def _spectra(found: Found) -> Iterator[tuple[str, str, str]]:
    """Yield the name of each task vector whose spectra were drawn, the picture and the page."""
    for name in found.names("figures/spectra", ".svg"):
        base, _, model = name.partition("/")
        picture, page = (inside(found.layout.spectra_figure(base, model, suffix)) for suffix in ("svg", "html"))
        yield f"{model} − {base}", picture, page


def _timings(found: Found) -> PageTable | None:
    rows = []
    for rule, time in sorted(found.run.rules.items() if found.run else (), key=lambda one: -one[1].seconds):
        numbers = [
            Cell(f"{time.jobs:,}", time.jobs),
            Cell(_clock(time.seconds), time.seconds),
            Cell(f"{time.gpu_seconds / 3600:,.2f}", time.gpu_seconds),
            Cell("" if time.peak_mb is None else f"{time.peak_mb:,.0f}", time.peak_mb),
        ]
        rows.append(Row([Cell(rule), *numbers]))
    return _table(["Rule", "Jobs", "Time", "GPU hours", "Most memory, MB"], rows)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _table(names: list[str], rows: list[Row]) -> PageTable | None:
    numbers = {"Questions", "Texts", "Tokens", "Jobs", "Time", "GPU hours", "Most memory, MB"}
    return PageTable([Column(name, number=name in numbers) for name in names], [Group(rows)]) if rows else None
