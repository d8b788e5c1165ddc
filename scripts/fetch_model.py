"""Fetch a model and describe it in a manifest: the rule fetch_model, and a command line of its own.

    python scripts/fetch_model.py --entry qwen2.5-math-7b --out DIR
    python scripts/fetch_model.py --source Qwen/Qwen2.5-Math-7B@<40-digit commit> --out DIR

Weights stay in the Hugging Face cache (or in the local directory named); DIR gets ``manifest.json``. Of a GGUF file or
an adapter, weights are made, and DIR gets them too.
"""

from pathlib import Path
from typing import Annotated

import typer

from l2s.checkpoints.manifest import MANIFEST_NAME, read_manifest, write_manifest
from l2s.checkpoints.model_entry import ModelEntry
from l2s.config import Named, entry_of_rule, entry_option
from l2s.errors import UserError
from l2s.jobs import run_cli, run_job
from l2s.sources.conversion import convert_again, convert_model, find_over
from l2s.sources.models import fetch_model
from l2s.steps import register_steps


def main(
    entry: Annotated[
        Named[ModelEntry] | None,
        typer.Option(
            parser=entry_option("models", ModelEntry, "--entry"),
            metavar="ENTRY",
            help="The model: name of an entry of config/models, or a YAML file.",
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="In place of --entry: owner/name@<40-digit commit>, or a local directory.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder that manifest.json is written to.")] = None,
    over: Annotated[
        str | None,
        typer.Option(
            help="With --entry that has an adapter: the model under it, a folder, manifest.json, or "
            "owner/name@<40-digit commit>."
        ),
    ] = None,
    rebuild: Annotated[
        Path | None,
        typer.Option(help="In place of all others: manifest of a model whose files are to be fetched again."),
    ] = None,
) -> None:
    """Download what is missing of a model (--entry or --source), check every file, and write its manifest (--out)."""
    if rebuild:
        known = read_manifest(rebuild, "fetched")
        if known.recipe:
            convert_again(known, rebuild.parent)
        else:
            fetch_model(ModelEntry.of(known.source, known.content_id), str(rebuild))
    elif out and (entry or source):
        model, where = (entry.entry, entry.where) if entry else (ModelEntry.of(source), source)
        if (model.adapter is None) != (over is None):
            asked = f"give the model '{model.over}' as --over" if model.adapter else "leave out --over"
            raise UserError(f"{where}: --over goes with an entry that has 'adapter'; {asked}")
        if model.is_converted:
            manifest = convert_model(model, find_over(over) if over else None, out, str(out), where)
        else:
            manifest = fetch_model(model, where)
            write_manifest(manifest, out / MANIFEST_NAME)
        print(f"{model.source}: {len(manifest.tensors)} tensors, content_id {manifest.content_id}")
    else:
        raise UserError("give --entry or --source, and --out, or --rebuild; --help explains them")


register_steps()

if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        entry=entry_of_rule("models", ModelEntry, snakemake.wildcards.model, snakemake.params.entry),
        out=Path(snakemake.output.manifest).parent,
        over=next(iter(snakemake.input.over), None),
    )
elif __name__ == "__main__":
    run_cli(main)
