"""Propose what a round of a search asks: the rule propose, and a command line of its own.

    python scripts/propose.py --study mine --round 2 --settings settings.yaml --candidates 1.json \\
        --table tables/mine~1.parquet --comparisons comparisons/mine~1.parquet --out 2.json

The settings are the space (items), the recipes that are tried first (plain), seed, allowed_loss, and either proposed
and kept or, for the report, finalists.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from l2s.config import read_yaml
from l2s.files import write_text
from l2s.jobs import run_cli, run_job
from l2s.search.candidates import Candidates, write_candidates
from l2s.search.proposals import Settings, finalists, propose, trials_of
from l2s.search.standing import read_round


def main(
    study: Annotated[str, typer.Option(help="Name of the search.")],
    round_name: Annotated[str, typer.Option("--round", help="Name of the round.")],
    settings: Annotated[
        Any,
        typer.Option(
            parser=read_yaml,
            metavar="FILE",
            help="YAML file of items, plain, seed, allowed_loss, and proposed and kept or, for the report, finalists.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="JSON file of the candidates.")],
    candidates: Annotated[
        list[Path] | None, typer.Option(help="Candidates of each round before, in order. Default: none.")
    ] = None,
    table: Annotated[list[Path] | None, typer.Option(help="Their tables. Default: none.")] = None,
    comparisons: Annotated[list[Path] | None, typer.Option(help="Their comparisons. Default: none.")] = None,
    trials: Annotated[
        Path | None, typer.Option(help="JSON Lines file of what Optuna was told. Default: not written.")
    ] = None,
) -> None:
    """Propose the candidates of a round from what the rounds before measured."""
    known = Settings(*(settings[key] for key in Settings._fields))
    files = zip(candidates or [], table or [], comparisons or [], strict=True)
    rounds = [read_round(*paths) for paths in files]
    if "finalists" in settings:
        chosen = finalists(known, rounds[-1], settings["finalists"])
    else:
        chosen = propose(known, rounds, settings["proposed"], settings["kept"])
    write_candidates(Candidates(study=study, round_name=round_name, candidates=tuple(chosen)), out)
    if trials:
        write_text(trials, trials_of(known, rounds))
    print(f"{out}: {len(chosen)} candidates")


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        study=snakemake.wildcards.search,
        round_name=snakemake.wildcards.round,
        settings=snakemake.params.proposing,
        out=Path(snakemake.output.candidates),
        candidates=[Path(path) for path in snakemake.input.get("candidates", [])],
        table=[Path(path) for path in snakemake.input.get("tables", [])],
        comparisons=[Path(path) for path in snakemake.input.get("comparisons", [])],
        trials=Path(snakemake.output.trials),
    )
elif __name__ == "__main__":
    run_cli(main)
