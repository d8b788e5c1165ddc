"""Fetch a model and describe it in a manifest: the fetch rule's script, and a command line of its own.

    python scripts/fetch.py --source Qwen/Qwen2.5-Math-7B@<40-digit commit> --out DIR

Weights stay in the Hugging Face cache (or in the local directory named); DIR gets ``manifest.json``.
"""

from pathlib import Path
from typing import Annotated

import typer

from l2s.checkpoints.manifest import MANIFEST_NAME, read_manifest, write_manifest
from l2s.errors import UserError
from l2s.jobs import run_cli, run_job
from l2s.sources.models import fetch_model


def main(
    source: Annotated[str | None, typer.Option(help="owner/name@<40-digit commit>, or a local directory.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder that manifest.json is written to.")] = None,
    expect: Annotated[str | None, typer.Option(help="The content_id that the model must have.")] = None,
    licence: Annotated[str | None, typer.Option(help="SPDX identifier of the weights' licence.")] = None,
    rebuild: Annotated[
        Path | None, typer.Option(help="Manifest of a model whose files are to be fetched again.")
    ] = None,
) -> None:
    """Download what is missing of a model, check every file, and write its manifest."""
    if rebuild:
        known = read_manifest(rebuild)
        fetch_model(known.source, known.content_id)
    elif source and out:
        manifest = fetch_model(source, expect, licence)
        write_manifest(manifest, out / MANIFEST_NAME)
        print(f"{source}: {len(manifest.tensors)} tensors, content_id {manifest.content_id}")
    else:
        raise UserError("give --source and --out, or --rebuild; --help explains them")


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        source=snakemake.params.source,
        out=Path(snakemake.output.manifest).parent,
        expect=snakemake.params.content_id,
        licence=snakemake.params.licence,
    )
elif __name__ == "__main__":
    run_cli(main)
