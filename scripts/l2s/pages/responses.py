"""The page of a study's responses: any two checkpoints, question by question.

The page holds the questions; the responses are in the checkpoints' shards (``shards.py``), which it loads when a
checkpoint is chosen. What it does in the browser is in ``assets/shards.js``, ``list.js``, ``marks.js`` and
``responses.js``. A link says what to show: ``index.html#a=<checkpoint>&b=<checkpoint>&benchmark=…&question=…``.
"""

import os
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pydantic import Field

from l2s.analysis.lengths import COLUMNS
from l2s.analysis.reflection import PATTERNS
from l2s.analysis.table import COUNTING, Counting
from l2s.config import StrictModel, read_yaml, validate
from l2s.contracts.grades import FAILURES
from l2s.contracts.parquet import read_table
from l2s.contracts.questions import QUESTIONS
from l2s.contracts.responses import CUT
from l2s.pages.render import href, render
from l2s.pages.shards import compressed

TEMPLATE = "responses.html.j2"


class Shown(StrictModel):
    """A checkpoint that the page can show."""

    name: str = Field(description="its path under checkpoints/ in the results folder")
    pair: str = Field(description="name of the pair; checkpoints of a pair stand together")
    label: str = Field(description="what people call it: the model, or the method with its hyper-parameters")
    shard: str = Field(description="script of its responses")


class ResponsesSpec(StrictModel):
    """What a study's page of responses is made from."""

    study: str
    title: str
    graders: tuple[str, ...] = Field(min_length=1, description="the study's own first, which says what is right")
    counting: Counting = Field(COUNTING, description="what counts as length and as reflection")
    questions: tuple[str, ...] = Field(min_length=1, description="Parquet files of the benchmarks' questions")
    checkpoints: tuple[Shown, ...] = Field(min_length=1)
    first: str = Field(description="checkpoint A, until another one is chosen")
    second: str = Field(description="checkpoint B, likewise")


def read_responses_spec(path: str) -> ResponsesSpec:
    """Read a specification from a YAML file."""
    return validate(ResponsesSpec, read_yaml(Path(path)), path)


def write_responses_page(spec: ResponsesSpec, out: Path, results: Path) -> None:
    """Write the page.

    Args:
        spec: What it shows.
        out: The page.
        results: The results folder that it belongs to.

    Raises:
        UserError: A file of questions is missing or damaged.
    """
    questions = [row for path in spec.questions for row in read_table(Path(path), QUESTIONS).to_pylist()]
    data = {
        "graders": spec.graders,
        "failures": FAILURES,
        "cut": CUT,
        "length": COLUMNS[spec.counting.length],
        "keywords": PATTERNS[spec.counting.reflection].pattern,
        "scripts": {one.name: href(os.path.relpath(one.shard, out.parent)) for one in spec.checkpoints},
        "labels": {one.name: one.label for one in spec.checkpoints},
        "first": spec.first,
        "second": spec.second,
        "questions": compressed(questions),
    }
    render(
        TEMPLATE,
        out,
        results=results,
        trail=[(spec.title, f"tables/{spec.study}.html")],
        title=f"{spec.title}: responses",
        data=data,
        pairs=[(pair, list(found)) for pair, found in groupby(spec.checkpoints, lambda one: one.pair)],
        benchmarks=list(dict.fromkeys(row["benchmark"] for row in questions)),
        levels=sorted({row["level"] for row in questions} - {None}),
    )


def fragment(first: str, second: str | None = None, **question: Any) -> str:
    """Return what stands behind a link to the page: one or two checkpoints, and the ``benchmark``, ``question`` and
    ``sample`` to begin with."""
    return "#" + urlencode({"a": first, **({"b": second} if second else {}), **question})
