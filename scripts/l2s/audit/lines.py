"""The lines of an audit: each published number with ours beside it, and what follows."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from l2s.analysis.intervals import Interval
from l2s.audit.alternatives import Assumed, alternatives
from l2s.audit.claimed import claimed
from l2s.audit.findings import Finding, key_of
from l2s.audit.measured import METRICS, Measured, StudyTable, measured
from l2s.audit.published import Published
from l2s.audit.spec import Spec
from l2s.contracts.audit import (
    AUDIT,
    CLAIMS,
    DIFFERS,
    NOT_COMPARABLE,
    NOT_RUN,
    REPRODUCED,
    WITHIN_NOISE,
)
from l2s.contracts.parquet import table_of

COPIED = ("pair", "method", "label", "benchmark", "level", "metric", "unit", "rounding")
EMPTY = dict.fromkeys(("study", "recipe", "ours", "ours_low", "ours_high", "difference", "noise", "reason"))


class Given(NamedTuple):
    """What an audit reads.

    Attributes:
        spec: What is compared with what.
        published: The published numbers.
        measured: What the studies have measured.
        findings: What the published numbers say of themselves.
        assumed: By name, each assumption of config/assumptions.yaml.
    """

    spec: Spec
    published: Published
    measured: Measured
    findings: list[Finding]
    assumed: Mapping[str, Assumed]


def audit(given: Given) -> dict[str, pa.Table]:
    """Return the audit's tables, each with the schema AUDIT, by the names of the published ones."""
    impossible = {key: finding.title for finding in given.findings for key in finding.impossible}
    rows: dict[str, list[dict[str, Any]]] = {table: [] for table in given.published.tables}
    for cell in given.published.cells.itertuples():
        rows[cell.table].append(_cell(given, cell, impossible.get(key_of(cell))))
    for claim in given.published.claims.itertuples():
        rows[CLAIMS].append(_claim(given, claim))
    return {table: table_of(lines, AUDIT) for table, lines in rows.items()}


def _cell(given: Given, cell: Any, impossible: str | None) -> dict[str, Any]:
    """Return the line of a published number."""
    names = [name for name, assumed in given.assumed.items() if assumed.reaches(cell)]
    row = {"table": cell.table, **{name: getattr(cell, name) for name in COPIED}, **EMPTY}
    row |= {"published_low": cell.value, "published_high": cell.value, "assumptions": names, "alternatives": []}
    row |= {"study": given.spec.audits.get(cell.table), "reason": impossible}
    study = given.measured.studies.get(row["study"])
    if study is None:
        return {**row, "verdict": NOT_RUN, "reason": impossible or _why_not_run(row["study"])}
    found = study.of(cell.pair, cell.method, cell.setting)
    checkpoints = list(found["checkpoint"].unique())
    if len(checkpoints) > 1:
        return {**row, "verdict": NOT_COMPARABLE, "reason": f"{len(checkpoints)} lines of the study are such a row"}
    ours = measured(study, found, cell.benchmark, cell.level, cell.metric) if checkpoints else None
    if ours is None:
        return {**row, **_not_measured(cell.metric, row["study"])}
    (recipe,), (checkpoint,) = found["recipe"].unique(), checkpoints
    besides = {one for assumed in given.assumed.values() for one in assumed.studies}
    noise = given.measured.noise_of(checkpoint, cell.benchmark, cell.metric, ours.value, besides)
    row |= {"recipe": recipe, "noise": noise, **_compared(row, ours)}
    if reason := study.unlike or impossible:
        return {**row, "verdict": NOT_COMPARABLE, "reason": reason}
    row["verdict"] = verdict(row, ours)
    if row["verdict"] == DIFFERS:
        row["alternatives"] = list(_alternatives(given, study, cell, row, checkpoint))
    return row


def _alternatives(
    given: Given, study: StudyTable, cell: Any, row: dict[str, Any], checkpoint: str
) -> Iterator[dict[str, Any]]:
    assumed = {name: given.assumed[name] for name in row["assumptions"]}
    for found in alternatives(given.measured, row["study"], study, cell, checkpoint, row["ours"], assumed):
        low, high = (row[side] - row["ours"] + found.value for side in ("ours_low", "ours_high"))
        yield {**found._asdict(), "explains": inside(row, Interval(found.value, low, high))}


def _claim(given: Given, claim: Any) -> dict[str, Any]:
    """Return the line of a claim."""
    benchmark = None if pd.isna(claim.benchmark) else claim.benchmark
    row = {**EMPTY, "table": CLAIMS, "pair": claim.pair, "method": claim.method, "benchmark": benchmark, "level": None}
    row |= {"label": f"Section {claim.section}: {claim.statement}".replace("Section summary", "Summary")}
    row |= {"metric": claim.metric, "unit": claim.unit, "rounding": claim.rounding}
    row |= {f"published_{end}": None if pd.isna(limit := getattr(claim, end)) else limit for end in ("low", "high")}
    row |= {"assumptions": [], "alternatives": [], "study": None}
    if claim.study not in given.spec.tables:
        return {**row, "verdict": NOT_RUN, "reason": _why_not_run(None)}
    row["study"] = claim.study
    study = given.measured.studies.get(claim.study)
    if study is None:
        return {**row, "verdict": NOT_RUN, "reason": _why_not_run(claim.study)}
    ours, recipes = claimed(study, claim)
    if ours is None:
        return {**row, **_not_measured(claim.metric, claim.study)}
    row |= {"recipe": recipes, **_compared(row, ours)}
    if study.unlike:
        return {**row, "verdict": NOT_COMPARABLE, "reason": study.unlike}
    return {**row, "verdict": verdict(row, ours)}


def inside(row: Mapping[str, Any], ours: Interval) -> bool:
    """Say whether a published number, before it was rounded, may lie inside an interval.

    Of a range with an open end, which is about a direction, ours itself must lie in it: an interval that is wide enough
    would agree with any direction.
    """
    low, high, slack = row["published_low"], row["published_high"], row["rounding"]
    is_open = low is None or high is None
    least, most = (ours.value, ours.value) if is_open else (ours.low, ours.high)
    slack = 1e-9 + (0 if is_open else slack)  # a number may be exactly between two
    return (low is None or most >= low - slack) and (high is None or least <= high + slack)


def verdict(row: Mapping[str, Any], ours: Interval) -> str:
    """Return the verdict on a published number that can be compared."""
    if inside(row, ours):
        return REPRODUCED
    if row["noise"] is not None and abs(row["difference"]) <= row["noise"] + row["rounding"]:
        return WITHIN_NOISE
    return DIFFERS


def _compared(row: Mapping[str, Any], ours: Interval) -> dict[str, float]:
    low, high = row["published_low"], row["published_high"]
    beyond = 0.0
    if low is not None and ours.value < low:
        beyond = ours.value - low
    elif high is not None and ours.value > high:
        beyond = ours.value - high
    return {"ours": ours.value, "ours_low": ours.low, "ours_high": ours.high, "difference": beyond}


def _why_not_run(study: str | None) -> str:
    return "no configured study measures it" if study is None else f"the study {study} has no table yet"


def _not_measured(metric: str, study: str) -> dict[str, str]:
    if metric in METRICS:
        return {"verdict": NOT_RUN, "reason": f"the study {study} has no such line"}
    return {"verdict": NOT_COMPARABLE, "reason": f"no table has {metric}"}
