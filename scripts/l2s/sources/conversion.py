"""Models that are made here from what their entry names: a GGUF file, or a LoRA adapter over another model.

Their weights lie beside their manifest, in a folder that is a model like any other on disk, so that whatever reads
models need not know. The manifest's ``recipe`` says what they were made of, and they can be made again from it.
"""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

from l2s.checkpoints.headers import read_headers
from l2s.checkpoints.lora import ADAPTER_CONFIG, ADAPTER_WEIGHTS, merge_adapter
from l2s.checkpoints.manifest import CONFIG_FILES, MANIFEST_NAME, Manifest, Parent, write_manifest
from l2s.checkpoints.model_entry import ModelEntry
from l2s.checkpoints.safe_write import check_room, clear_disk_errors, unchanged
from l2s.checkpoints.weights import Checkpoint
from l2s.errors import UserError
from l2s.files import atomic_folder, sha256_file
from l2s.sources.gguf_files import BYTES_EACH, convert_gguf, elements_of
from l2s.sources.models import describe_checked


class Over(NamedTuple):
    """The model under an adapter: what a manifest says of it, and the folder of its weights."""

    parent: Parent
    folder: Path


def find_over(given: str) -> Over:
    """Return the model under an adapter, given by its manifest, its folder, or as owner/name@commit."""
    checkpoint = Checkpoint.find(given)
    known = checkpoint.manifest
    return Over(
        Parent(used_as="base", source=known.source, content_id=known.content_id, licence=known.licence),
        checkpoint.checked_weights(),
    )


def convert_model(entry: ModelEntry, over: Over | None, out: Path, source: str, where: str) -> Manifest:
    """Make a model from what its entry names, and put it at ``out`` as a whole: weights, config files, manifest.

    Args:
        entry: The model, with 'gguf' or 'adapter'.
        over: The model under the adapter; None for a GGUF file.
        out: Folder that becomes the model.
        source: What manifests call that folder.
        where: What errors call the entry, e.g. its file.

    Raises:
        UserError: A file is missing or damaged, is of a kind that is not supported, or what comes out is not what the
            entry says.
    """
    with clear_disk_errors(out), atomic_folder(out) as folder:
        recipe = _from_adapter(entry, over, folder) if over else _from_gguf(entry, folder)
        described = describe_checked(entry, folder, source, where)
        manifest = described.model_copy(update={"recipe": recipe, "parents": (over.parent,) if over else ()})
        write_manifest(manifest, folder / MANIFEST_NAME)
    return manifest


def convert_again(known: Manifest, out: Path) -> None:
    """Make the files of a converted model again, beside its manifest.

    Raises:
        UserError: As for ``convert_model``; in particular if they come out with another content_id.
    """
    made_of = {key: known.recipe[key] for key in ("gguf", "adapter") if key in known.recipe}
    over = find_over(known.parents[0].source) if known.parents else None
    entry = ModelEntry(
        **made_of,
        over=known.parents[0].source if over else None,
        content_id=known.content_id,
        licence=known.licence,
    )
    convert_model(entry, over, out, known.source, str(out / MANIFEST_NAME))


def _from_gguf(entry: ModelEntry, folder: Path) -> dict[str, Any]:
    file = Path(entry.gguf)
    if not file.is_file():
        raise UserError(f"{file}: no such file; put the GGUF file there or correct 'gguf'")
    check_room(folder, BYTES_EACH * elements_of(file))
    return {"gguf": entry.gguf, "sha256": sha256_file(file), **convert_gguf(file, folder)}


def _from_adapter(entry: ModelEntry, over: Over, folder: Path) -> dict[str, Any]:
    adapter = Path(entry.adapter)
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        if not (adapter / name).is_file():
            raise UserError(f"{adapter / name}: no such file; 'adapter' must name a folder that PEFT wrote")
    check_room(folder, sum(place.nbytes for place in read_headers(over.folder).values()))
    with unchanged([over.folder]):
        merge_adapter(over.folder, adapter, folder)
        for name in CONFIG_FILES:
            if (over.folder / name).is_file():
                shutil.copyfile(over.folder / name, folder / name)
    digests = {name: sha256_file(adapter / name) for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS)}
    return {"adapter": entry.adapter, "sha256": digests}
