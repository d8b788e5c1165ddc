"""Print a study's table in the terminal, and where its files lie; of a run that is under way, what there is so far.

python scripts/show.py --configfile config/demo.yaml                 the configuration's first study with a table
python scripts/show.py --configfile config/demo.yaml --study demo
python scripts/show.py --results results/demo --study demo           without configuration: a finished table
"""

from collections.abc import Iterator
from glob import glob
from pathlib import Path
from typing import Annotated, NamedTuple

import pyarrow as pa
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from l2s.analysis.comparisons import compare_lines
from l2s.analysis.render_table import WORDS, caption, display_frame
from l2s.analysis.spec import Spec
from l2s.analysis.table import make_table
from l2s.config import PROJECT, read_yaml, validate
from l2s.config_option import PAPER
from l2s.contracts.comparisons import COMPARISONS
from l2s.contracts.parquet import read_metadata, read_table
from l2s.contracts.table import TABLE
from l2s.errors import UserError
from l2s.experiment import Experiment
from l2s.jobs import run_cli
from l2s.layout import Layout

NARROWEST = 150


class Shown(NamedTuple):
    """What is shown of a study: its table and comparisons, its title and the note under it."""

    summary: pa.Table
    comparisons: pa.Table
    title: str
    note: str


def main(
    study: Annotated[
        str | None, typer.Option(help="Name of the study. Default: the configuration's first one that has a table.")
    ] = None,
    config: Annotated[
        Path, typer.Option("--configfile", help="Top-level configuration, of whose studies parts may be missing.")
    ] = Path(PAPER),
    results: Annotated[
        Path | None,
        typer.Option(help="In place of --configfile, and with --study: results folder of a finished table."),
    ] = None,
) -> None:
    """Print a study's table, or what there is of it so far."""
    if results:
        if study is None:
            raise UserError("--results: say which study's table with --study")
        layout = Layout(str(results))
        shown = finished(layout, study)
    else:
        experiment = Experiment(read_yaml(config), PROJECT / "config")
        layout = Layout(experiment.config.results)
        tables = [name for name in experiment.lines if layout.table(name) in experiment.outputs(name, layout)]
        study = study or next(iter(tables), None)
        if study not in tables:
            raise UserError(f"--study {study}: no study with a table of {config}; those are {', '.join(tables)}")
        there = Path(layout.table(study)).is_file()
        shown = finished(layout, study) if there else so_far(experiment, layout, study)
    # Narrower, the table's cells would break; a file or a pipe has no width of its own.
    console = Console(width=max(Console().width, NARROWEST))
    console.print(table_of(shown))
    for line in places(layout, study):
        console.print(line, highlight=False, soft_wrap=True)


def finished(layout: Layout, study: str) -> Shown:
    """Read a finished table."""
    path = Path(layout.table(study))
    said = read_metadata(path)
    compared = read_table(Path(layout.comparisons(study)), COMPARISONS)
    return Shown(read_table(path, TABLE), compared, said["title"], said["note"])


def so_far(experiment: Experiment, layout: Layout, study: str) -> Shown:
    """Make a table of the checkpoints that have been decoded and graded.

    Raises:
        UserError: There is none yet.
    """
    whole = validate(Spec, experiment.studies[study].spec(study, experiment, layout), f"study {study}")
    spec = whole.so_far()
    if spec is None:
        raise UserError(f"{study}: nothing has been decoded and graded yet; python scripts/watch.py follows the run")
    summary = make_table(spec.study, spec.rows, spec.benchmarks, spec.measured, None, spec.counting)
    compared = compare_lines(spec)
    title = f"{spec.title}: so far, {len(spec.rows)} of {len(whole.rows)} models"
    return Shown(summary, compared, title, caption(summary, compared, spec.reference, spec.counting, spec.limits))


def table_of(shown: Shown) -> Table:
    """Return a study's table for the terminal."""
    table = Table(
        title=escape(shown.title),
        caption=escape(shown.note),
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1),
    )
    frame = display_frame(shown.summary, shown.comparisons)
    for column in frame.columns:
        table.add_column(column, justify="left" if column in WORDS else "right", no_wrap=column != "Model")
    for row in frame.itertuples(index=False):
        table.add_row(*map(escape, row))
    return table


def places(layout: Layout, study: str) -> Iterator[str]:
    """Say where a study's files lie, those that are there."""
    path = Path(layout.table(study))
    if path.is_file():
        yield f"\nTable:  {path.with_suffix('')}.md, .html, .tex, .csv, .parquet"
    for figure in sorted(glob(layout.figure(study, "*"))):
        yield f"Figure: {figure}, .svg, .png"
    if Path(layout.index).is_file():
        yield f"Everything else, by a click: {layout.index}"


if __name__ == "__main__":
    run_cli(main)
