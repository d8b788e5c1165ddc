"""Fetch a model and describe it in a manifest: the fetch rule's script, and a command line of its own.

    python scripts/fetch_model.py --entry config/models/qwen2.5-math-7b.yaml --out DIR
    python scripts/fetch_model.py --source Qwen/Qwen2.5-Math-7B@<40-digit commit> --out DIR

Weights stay in the Hugging Face cache (or in the local directory named); DIR gets ``manifest.json``.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from l2s.checkpoints.manifest import MANIFEST_NAME, read_manifest, write_manifest
from l2s.checkpoints.model_entry import ModelEntry
from l2s.config import read_entry, validate
from l2s.errors import UserError
from l2s.jobs import run_cli, run_job
from l2s.sources.models import fetch_model


def main(
    entry: Annotated[Path | None, typer.Option(help="YAML file of the model.")] = None,
    source: Annotated[str | None, typer.Option(help="owner/name@<40-digit commit>, or a local directory.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder that manifest.json is written to.")] = None,
    rebuild: Annotated[
        Path | None, typer.Option(help="Manifest of a model whose files are to be fetched again.")
    ] = None,
) -> None:
    """Download what is missing of a model, check every file, and write its manifest."""
    if rebuild:
        known = read_manifest(rebuild)
        fetch_model(ModelEntry.of(known.source, known.content_id), str(rebuild))
    elif entry and out:
        describe(read_entry(entry, ModelEntry), str(entry), out)
    elif source and out:
        describe(ModelEntry.of(source), source, out)
    else:
        raise UserError("give --entry or --source, and --out, or --rebuild; --help explains them")


def describe_entry(entry: dict[str, Any], entry_file: str, out: Path) -> None:
    """Fetch a model, given its entry's values and what errors call the entry, and write its manifest."""
    describe(validate(ModelEntry, entry, entry_file), entry_file, out)


def describe(entry: ModelEntry, where: str, out: Path) -> None:
    """Fetch a model and write its manifest."""
    manifest = fetch_model(entry, where)
    write_manifest(manifest, out / MANIFEST_NAME)
    print(f"{entry.source}: {len(manifest.tensors)} tensors, content_id {manifest.content_id}")


if "snakemake" in globals():
    run_job(
        describe_entry,
        snakemake,
        entry=snakemake.params.entry,
        entry_file=f"config/models/{snakemake.wildcards.model}.yaml",
        out=Path(snakemake.output.manifest).parent,
    )
elif __name__ == "__main__":
    run_cli(main)
