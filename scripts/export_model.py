"""Put the model that a search found into a folder of its own: the rule export_model, and a command line of its own.

    python scripts/export_model.py --verdict shortened/mine/verdict.json --manifest checkpoints/…/manifest.json \\
        --card cards/mine~report/….md --out shortened/mine/model

The folder holds weights, tokenizer, generation config, manifest and the model card, for transformers, vLLM and the hub.
"""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from l2s.checkpoints.manifest import MANIFEST_NAME
from l2s.checkpoints.model_card import CARD_NAME
from l2s.checkpoints.weights import Checkpoint
from l2s.config import validate
from l2s.files import atomic_folder, read_json
from l2s.jobs import run_cli, run_job
from l2s.search.card import how_found
from l2s.search.verdict import Verdict
from l2s.steps import register_steps


def main(
    verdict: Annotated[Path, typer.Option(help="JSON file of what the search found.")],
    manifest: Annotated[Path, typer.Option(help="Manifest of the checkpoint that it found.")],
    card: Annotated[Path, typer.Option(help="Model card with what the report measured of it.")],
    out: Annotated[Path, typer.Option(help="Folder to write; what it holds is replaced.")],
    scratch: Annotated[
        Path | None, typer.Option(help="Folder for weights that are made for this only. Default: they are kept.")
    ] = None,
) -> None:
    """Put a checkpoint's weights and everything beside them into a folder, with a card that says how it was found."""
    found = validate(Verdict, read_json(verdict, "judge again"), str(verdict))
    checkpoint = Checkpoint.find(str(manifest))
    with checkpoint.lent(scratch) as weights, atomic_folder(out) as folder:
        for name in checkpoint.manifest.files:
            shutil.copyfile(weights / name, folder / name)
        (folder / CARD_NAME).write_text(f"{card.read_text(encoding='utf-8')}\n{how_found(found)}", encoding="utf-8")
        shutil.copyfile(manifest, folder / MANIFEST_NAME)
    print(f"{out}: {found.sentence}")


register_steps()

if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        verdict=Path(snakemake.input.verdict),
        manifest=Path(snakemake.input.manifest),
        card=Path(snakemake.input.card),
        out=Path(snakemake.output.manifest).parent,
        scratch=None if snakemake.config["keep_checkpoints"] else Path(snakemake.config["scratch"]),
    )
elif __name__ == "__main__":
    run_cli(main)
