"""Write a results folder's entry page, and the pages of its checkpoints, from what is in it so far.

python scripts/make_index.py --results results/demo

A run does so at its end. The pages of tables, figures and responses are made by the rules.
"""

from pathlib import Path
from typing import Annotated

import typer

from l2s.jobs import run_cli
from l2s.pages.index import write_index


def main(results: Annotated[Path, typer.Option(help="Results folder, or an unpacked archive of one.")]) -> None:
    """Write index.html, from which a person gets to everything in the folder."""
    print(write_index(results))


if __name__ == "__main__":
    run_cli(main)
