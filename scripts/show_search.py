"""Write the page of a search: the rule show_search, and a command line of its own.

python scripts/show_search.py --verdict shortened/mine/verdict.json --out shortened/mine/index.html
"""

from pathlib import Path
from typing import Annotated

import typer

from l2s.config import validate
from l2s.files import read_json
from l2s.jobs import run_cli, run_job
from l2s.search.page import write_page
from l2s.search.verdict import Verdict


def main(
    verdict: Annotated[Path, typer.Option(help="JSON file of what the search found.")],
    out: Annotated[Path, typer.Option(help="HTML file to write.")],
    results: Annotated[
        Path | None, typer.Option(help="Results folder that the page belongs to. Default: none, and it leads nowhere.")
    ] = None,
) -> None:
    """Write the page of a search: the verdict, the front, how it went, and everything that was tried."""
    found = validate(Verdict, read_json(verdict, "judge again"), str(verdict))
    write_page(found, out, results)
    print(f"{out}: {found.sentence}")


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        verdict=Path(snakemake.input.verdict),
        out=Path(snakemake.output.page),
        results=Path(snakemake.config["results"]),
    )
elif __name__ == "__main__":
    run_cli(main)
