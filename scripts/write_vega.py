"""Write the JavaScript that the pages of figures share: the rule write_vega.

python scripts/write_vega.py --out vega.js
"""

from pathlib import Path
from typing import Annotated

import typer
import vl_convert

from l2s.files import write_text
from l2s.jobs import run_cli, run_job


def main(out: Annotated[Path, typer.Option(help="File to write.")]) -> None:
    """Write Vega, Vega-Lite and Vega-Embed as one file, so that pages draw figures without a network."""
    write_text(out, vl_convert.javascript_bundle())
    print(out)


if "snakemake" in globals():
    run_job(main, snakemake, out=Path(snakemake.output.vega))
elif __name__ == "__main__":
    run_cli(main)
