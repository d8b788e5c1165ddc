"""Write a checkpoint's model card with what a study measured of it: the rule write_card, and a command line of its own.

    python scripts/write_card.py --manifest DIR/manifest.json --checkpoint demo/ties/… --table demo.parquet \
        --comparisons demo-comparisons.parquet --decoding responses/…/demo.json --out README.md

The card that merging writes beside the weights cannot say this, as it is written before anything is decoded. Put this
one in its place to publish the checkpoint.
"""

from pathlib import Path
from typing import Annotated

import typer

from l2s.analysis.measured_card import measured_of
from l2s.checkpoints.manifest import read_manifest
from l2s.checkpoints.model_card import model_card
from l2s.contracts.comparisons import COMPARISONS
from l2s.contracts.parquet import read_table
from l2s.contracts.table import TABLE
from l2s.files import read_json, write_text
from l2s.jobs import run_cli, run_job


def main(
    manifest: Annotated[Path, typer.Option(help="Manifest of the checkpoint.")],
    checkpoint: Annotated[str, typer.Option(help="Its name: the path under checkpoints/ in the results folder.")],
    table: Annotated[Path, typer.Option(help="Parquet file of the study's table.")],
    comparisons: Annotated[Path, typer.Option(help="Parquet file of the study's comparisons.")],
    decoding: Annotated[Path, typer.Option(help="JSON file beside the checkpoint's responses.")],
    out: Annotated[Path, typer.Option(help="Markdown file of the card.")],
    dataset: Annotated[
        list[str] | None,
        typer.Option(metavar="BENCHMARK=REPO", help="Data set of the hub; may be repeated. Default: none."),
    ] = None,
) -> None:
    """Write a checkpoint's model card with what a study measured of it."""
    datasets = dict(one.split("=", 1) for one in dataset or [])
    known = read_json(decoding, "decode again")
    measured = measured_of(checkpoint, read_table(table, TABLE), read_table(comparisons, COMPARISONS), known, datasets)
    write_text(out, model_card(read_manifest(manifest), measured))
    print(out)


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        manifest=Path(snakemake.input.manifest),
        checkpoint=snakemake.wildcards.checkpoint,
        table=Path(snakemake.input.table),
        comparisons=Path(snakemake.input.comparisons),
        decoding=Path(snakemake.input.decoding),
        out=Path(snakemake.output.card),
        dataset=[f"{name}={repo}" for name, repo in snakemake.params.datasets.items()],
    )
elif __name__ == "__main__":
    run_cli(main)
