"""An audit's files: a table each as Parquet, CSV and page, and the page that sums them up."""

from collections.abc import Mapping
from math import log10
from pathlib import Path
from typing import Any

import pyarrow as pa

from l2s.audit.findings import Finding
from l2s.audit.lines import Given
from l2s.audit.published import KEY
from l2s.audit.summary import by_assumption, by_table
from l2s.contracts.audit import CLAIMS, DIFFERS, NOT_COMPARABLE, NOT_RUN, REPRODUCED, VERDICTS, WITHIN_NOISE
from l2s.contracts.parquet import write_table
from l2s.files import write_text
from l2s.layout import Layout
from l2s.pages.render import render

SYMBOLS = {REPRODUCED: "✓", WITHIN_NOISE: "≈", DIFFERS: "✗", NOT_RUN: "○", NOT_COMPARABLE: "–"}
NAMES = {
    CLAIMS: "Claims of the text",
    "2b": "Figure 2(b)",
    "readme": "The paper's README",
    "demo": "Demo",
}
INDEX = "index"


def write_audit(given: Given, audited: Mapping[str, pa.Table]) -> Path:
    """Write all files of an audit; return the page that sums them up."""
    layout = Layout(given.spec.results)
    for table, lines in audited.items():
        write_table(lines, Path(layout.audit(table)), {"title": name_of(table)})
        write_text(Path(layout.audit(table, "csv")), _csv(lines))
        _write_page(given, table, lines, Path(layout.audit(table, "html")))
    index = Path(layout.audit(INDEX, "html"))
    render(
        "audit.html.j2",
        index,
        results=Path(layout.results),
        title=given.spec.title,
        symbols=SYMBOLS,
        verdicts=VERDICTS,
        tables=[(name_of(count.name), count, given.spec.audits.get(count.name)) for count in by_table(audited)],
        assumptions=[(count, given.assumed[count.name]) for count in by_assumption(audited, given.assumed)],
        findings=[(finding, _places(finding, audited)) for finding in given.findings],
    )
    return index


def name_of(table: str) -> str:
    """Return what pages call a table."""
    return NAMES.get(table, f"Table {table}")


def written(value: float | None, rounding: float, sign: bool = False) -> str:
    """Write a number with the digits that its published counterpart has, and a minus sign."""
    if value is None:
        return ""
    digits = round(-log10(2 * rounding))
    value = round(value, digits) + 0.0  # without the sign of a rounded nothing
    text = f"{value:{'+' if sign else ''},.{digits}f}"
    return text.replace("-", "−")


def _write_page(given: Given, table: str, lines: pa.Table, out: Path) -> None:
    rows = lines.to_pylist()
    numbers = {_key(row): number for number, row in enumerate(rows)}
    found: dict[int, list[int]] = {}
    for place, finding in enumerate(given.findings):
        for key in finding.cells:
            if key[0] == table:
                found.setdefault(numbers[key], []).append(place)
    render(
        "audit_table.html.j2",
        out,
        results=Path(given.spec.results),
        trail=[("Audit", f"audit/{INDEX}.html")],
        title=f"{name_of(table)}: published and ours",
        symbols=SYMBOLS,
        counts=[(verdict, sum(row["verdict"] == verdict for row in rows)) for verdict in VERDICTS],
        rows=[(row, found.get(number, [])) for number, row in enumerate(rows)],
        findings=given.findings,
        study=given.spec.audits.get(table),
        noise=any(row["noise"] is not None for row in rows),
        pairs=len({row["pair"] for row in rows}),
        written=written,
    )


def _key(row: dict[str, Any]) -> tuple:
    """Return what tells a line from all others, as a finding names it."""
    return tuple(row[name] for name in KEY)


def _places(finding: Finding, audited: Mapping[str, pa.Table]) -> list[tuple[str, str, int]]:
    """Return, for each number of a finding, its table, what it is, and its place in the table."""
    places = []
    for key in finding.cells:
        rows = audited[key[0]].to_pylist()
        place = next(n for n, row in enumerate(rows) if _key(row) == key)
        row = rows[place]
        level = "" if row["level"] is None else f", level {row['level']}"
        places.append((key[0], f"{row['label']}, {row['benchmark']}{level}, {row['metric']}", place))
    return places


def _csv(lines: pa.Table) -> str:
    frame = lines.to_pandas()
    frame["assumptions"] = [", ".join(names) for names in frame["assumptions"]]
    frame["alternatives"] = ["; ".join(map(_alternative, found)) for found in frame["alternatives"]]
    return frame.to_csv(index=False)


def _alternative(one: dict[str, Any]) -> str:
    return f"{one['what']}: {one['value']:g}{' (explains it)' if one['explains'] else ''}"
