"""Put a merged or trained checkpoint on the Hugging Face hub: weights, tokenizer, config, card, manifest.

    python scripts/publish.py --checkpoint results/mine/checkpoints/… --repo me/my-model-shortened --dry-run
    hf auth login
    python scripts/publish.py --checkpoint results/mine/checkpoints/… --repo me/my-model-shortened

The repository is private unless --public is given. One that already holds files is only overwritten after a question
(or with --yes): then weights and config files of the model that was there go, and its other files stay.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from l2s.checkpoints.hub_upload import Repository, find_repository, upload
from l2s.checkpoints.manifest import MANIFEST_NAME
from l2s.checkpoints.model_card import CARD_NAME
from l2s.checkpoints.publication import outdated_files, publication_of
from l2s.checkpoints.weights import Checkpoint
from l2s.errors import UserError
from l2s.jobs import run_cli
from l2s.steps import register_steps


def main(
    checkpoint: Annotated[Path, typer.Option(help="Folder of the checkpoint, or its manifest.json.")],
    repo: Annotated[str, typer.Option(metavar="OWNER/NAME", help="Repository of the hub; made if it is not there.")],
    licence: Annotated[
        str | None, typer.Option(help="Of the checkpoint, as the hub calls it. Default: the one its models share.")
    ] = None,
    card: Annotated[
        Path | None, typer.Option(help="Model card. Default: README.md beside the manifest; write_card.py makes more.")
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Let everybody see a repository that is made. Default: private.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Overwrite files without asking. Default: it asks.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be uploaded. Default: upload it.")
    ] = False,
) -> None:
    """Put a merged or trained checkpoint on the Hugging Face hub."""
    manifest_path = checkpoint if checkpoint.name == MANIFEST_NAME else checkpoint / MANIFEST_NAME
    made = Checkpoint.from_manifest(manifest_path)
    published = publication_of(manifest_path, made.manifest, card or manifest_path.with_name(CARD_NAME), licence)
    for name, size in sorted(published.sizes.items()):
        print(f"{size:>16,} bytes  {name}")
    print(f"{sum(published.sizes.values()):>16,} bytes in {len(published.sizes)} files")
    print(f"licence: {published.card.data.license}; base models: {published.card.data.base_model or 'none on the hub'}")
    found = find_repository(repo)
    outdated = outdated_files(published, found.files) if found else []
    print(_plan(repo, found, public, len(published.sizes.keys() & set(found.files if found else [])), outdated))
    if dry_run:
        return
    if found and found.files and not yes:
        _ask(repo)
    weights = made.checked_weights()
    places = {name: weights / name for name in made.manifest.files}
    places |= {name: manifest_path.with_name(name) for name in published.sizes.keys() - places.keys()}
    print(upload(repo, {**places, **published.texts}, outdated, found, private=not public))


def _plan(repo: str, found: Repository | None, public: bool, replaced: int, outdated: list[str]) -> str:
    """Say what would become of the repository."""
    if found is None:
        return f"{repo}: will be made, {'public' if public else 'private'}"
    seen = f"{repo}: is there, {'private' if found.private else 'public'}, with {len(found.files)} files"
    removed = f"; {', '.join(outdated)} will be removed" if outdated else ""
    return f"{seen}; {replaced} will be replaced{removed}"


def _ask(repo: str) -> None:
    if not sys.stdin.isatty():
        raise UserError(f"{repo}: already holds files; give --yes to overwrite them, or choose another name")
    if not typer.confirm(f"Overwrite {repo}?"):
        raise UserError(f"{repo}: nothing was changed")


register_steps()

if __name__ == "__main__":
    run_cli(main)
