"""What of a checkpoint goes to the hub: what a model needs, and what says what it is, without this machine's paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import ModelCard

from l2s.checkpoints.headers import INDEX_NAME
from l2s.checkpoints.manifest import CONFIG_FILES, MANIFEST_NAME, Manifest, manifest_text
from l2s.checkpoints.model_card import CARD_NAME, hub_parents, public_name, public_recipe
from l2s.errors import UserError

# Beside the manifest of a merged or a trained checkpoint, and told of by its card.
BESIDE_MANIFEST = ("statistics.parquet", "train.json")


@dataclass(frozen=True)
class Publication:
    """A checkpoint as it is published.

    Attributes:
        sizes: Bytes of every file, by its name in the repository.
        texts: Of these, the ones written for it.
        card: The model card.
    """

    sizes: Mapping[str, int]
    texts: Mapping[str, bytes]
    card: ModelCard


def publication_of(manifest_path: Path, manifest: Manifest, card_file: Path, licence: str | None) -> Publication:
    """Return what is to be published of a checkpoint that was made here.

    Args:
        manifest_path: Where its manifest lies.
        manifest: The manifest.
        card_file: The card to publish.
        licence: Of the checkpoint, as the hub calls it; None: the one that all of its models have.

    Raises:
        UserError: It was fetched from elsewhere, has no card, or its licence is not known.
    """
    if manifest.kind == "fetched":
        raise UserError(f"{manifest_path}: the model was not made here; publish one that was merged or trained")
    if not card_file.is_file():
        raise UserError(
            f"{card_file}: no such file; write the card with scripts/write_card.py, or make the model again"
        )
    card = ModelCard(card_file.read_text(encoding="utf-8"))
    card.data.license = _licence(manifest, licence)
    card.data.base_model = hub_parents(manifest) or card.data.base_model
    texts = {CARD_NAME: str(card).encode(), MANIFEST_NAME: manifest_text(_public(manifest)).encode()}
    sizes = {name: record.bytes for name, record in [*manifest.files.items(), *manifest.adapter.items()]}
    beside = [manifest_path.with_name(name) for name in BESIDE_MANIFEST]
    sizes |= {file.name: file.stat().st_size for file in beside if file.is_file()}
    return Publication(sizes | {name: len(text) for name, text in texts.items()}, texts, card)


def outdated_files(published: Publication, there: list[str]) -> list[str]:
    """Return the files in a repository that belong to another model than the one that is published there now.

    Weights and config files that it does not have would be read with its own.
    """
    of_a_model = [name for name in there if name.endswith(".safetensors") or name in (INDEX_NAME, *CONFIG_FILES)]
    return sorted(set(of_a_model) - published.sizes.keys())


def _licence(manifest: Manifest, given: str | None) -> str:
    if given:
        return given.lower()
    stated = {public_name(parent.source): parent.licence for parent in manifest.parents}
    if len(known := set(stated.values())) == 1 and None not in known:
        return known.pop().lower()
    listed = ", ".join(f"{source}: {licence or 'not stated'}" for source, licence in stated.items())
    raise UserError(
        f"the licence is not known ({listed}); say which one these allow: --licence apache-2.0, for example"
    )


def _public(manifest: Manifest) -> Manifest:
    """Return a manifest that names no folder of this machine."""
    parents = [parent.model_copy(update={"source": public_name(parent.source)}) for parent in manifest.parents]
    read = [record.model_copy(update={"path": Path(record.path).name}) for record in manifest.calibrations]
    recipe = public_recipe(manifest.recipe)
    return manifest.model_copy(update={"parents": tuple(parents), "calibrations": tuple(read), "recipe": recipe})
