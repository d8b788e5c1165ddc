"""Judge what a search found: the rule judge, and a command line of its own.

    python scripts/judge.py --settings settings.yaml --responses slow.parquet --grades grades.parquet \\
        --out verdict.json \\
        --candidates 1.json --table tables/mine~1.parquet --comparisons comparisons/mine~1.parquet … (the report last)

The settings are title, allowed_loss, grader, budgets and plain, as the search has them.
"""

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from l2s.analysis.spec import Files
from l2s.analysis.table import overall
from l2s.config import read_yaml
from l2s.contracts.comparisons import COMPARISONS
from l2s.contracts.parquet import read_table
from l2s.contracts.table import TABLE
from l2s.files import pretty_json, write_text
from l2s.jobs import run_cli, run_job
from l2s.search.measures import SlowModel, measured_lines
from l2s.search.space import identity
from l2s.search.standing import read_round
from l2s.search.verdict import judge


def main(
    settings: Annotated[
        Any,
        typer.Option(
            parser=read_yaml,
            metavar="FILE",
            help="YAML file of the search's title, allowed_loss, grader, budgets, plain.",
        ),
    ],
    candidates: Annotated[list[Path], typer.Option(help="Candidates of each round in order, the report's last.")],
    table: Annotated[list[Path], typer.Option(help="Their tables.")],
    comparisons: Annotated[list[Path], typer.Option(help="Their comparisons.")],
    responses: Annotated[
        list[Path],
        typer.Option(help="The slow model's to the report's questions; then those to a prompt that asks for brevity."),
    ],
    grades: Annotated[list[Path], typer.Option(help="Their grades.")],
    out: Annotated[Path, typer.Option(help="JSON file of the verdict; a folder 'model' beside it is removed.")],
) -> None:
    """Judge a search's finalists on questions that nothing was selected on, beside what is cheaper."""
    # A model of an earlier verdict must not stand beside a new one.
    shutil.rmtree(out.with_name("model"), ignore_errors=True)
    *rounds, report = [read_round(*paths) for paths in zip(candidates, table, comparisons, strict=True)]
    lines, compared = overall(read_table(table[-1], TABLE)), read_table(comparisons[-1], COMPARISONS).to_pandas()
    plain = {identity(recipe) for recipe in settings["plain"]}
    chosen = {one.checkpoint: identity(one.candidate.recipe) not in plain for one in report.standings}
    measured = measured_lines(lines, compared, chosen)
    grader = settings["grader"]
    files = zip(responses, grades, strict=True)
    plainly, *briefly = [Files(responses=str(one), grades={grader: str(other)}).read() for one, other in files]
    slow = SlowModel(compared["against"].iloc[0], plainly, grader, settings["allowed_loss"])
    measured += [slow.itself(), *map(slow.at_budget, settings["budgets"]), *map(slow.asked_briefly, briefly)]
    verdict = judge(settings["title"], settings["allowed_loss"], rounds, report, measured)
    write_text(out, pretty_json(verdict.model_dump(mode="json")))
    print(verdict.sentence)


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        settings=snakemake.params.judging,
        candidates=[Path(path) for path in snakemake.input.candidates],
        table=[Path(path) for path in snakemake.input.tables],
        comparisons=[Path(path) for path in snakemake.input.comparisons],
        responses=[Path(path) for path in snakemake.input.responses],
        grades=[Path(path) for path in snakemake.input.grades],
        out=Path(snakemake.output.verdict),
    )
elif __name__ == "__main__":
    run_cli(main)
