"""Write the page of a study's responses: the rule show_responses, and a command line of its own.

    python scripts/show_responses.py --spec study.yaml --out results/mine/pages/responses/study/index.html \\
        --results results/mine

The spec names the study, its graders, the files of its questions, and its checkpoints with their shards
(shard_responses.py).
"""

from pathlib import Path
from typing import Annotated

import typer

from l2s.config import validate
from l2s.jobs import run_cli, run_job
from l2s.pages.responses import ResponsesSpec, read_responses_spec, write_responses_page


def main(
    spec: Annotated[
        ResponsesSpec,
        typer.Option(parser=read_responses_spec, metavar="FILE", help="YAML file of what the page is made from."),
    ],
    out: Annotated[Path, typer.Option(help="The page.")],
    results: Annotated[Path, typer.Option(help="Results folder that the page belongs to.")],
) -> None:
    """Write the page that shows the responses of any two checkpoints of a study side by side."""
    write_responses_page(spec, out, results)
    print(f"{out}: {len(spec.checkpoints)} checkpoints")


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        spec=validate(ResponsesSpec, snakemake.params.spec, "spec of this job"),
        out=Path(snakemake.output.page),
        results=Path(snakemake.config["results"]),
    )
elif __name__ == "__main__":
    run_cli(main)
