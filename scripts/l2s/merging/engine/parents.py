"""What a merge reads: the folders of its parents, and the calibrations measured on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from l2s.checkpoints.manifest import MANIFEST_NAME, Parent, TensorRecord, read_manifest
from l2s.checkpoints.model_card import stated_licence
from l2s.checkpoints.weights import Checkpoint, lasting_source, locate
from l2s.contracts.calibrations import Calibration, read_calibration
from l2s.errors import UserError
from l2s.merging.engine.contract import CalibrationRequest
from l2s.merging.engine.recipe import Recipe


def find_parents(recipe: Recipe, manifests: Iterable[Path] = ()) -> list[tuple[Parent, Path]]:
    """Find the models that a recipe names: the base first (if the method has one), then the models in order.

    Args:
        recipe: The recipe; its ``base`` and ``models`` are sources.
        manifests: Manifests of fetched models, by whose sources the recipe names them. A model without one is located;
            its own manifest, if it has one, gives its content_id, else its files are digested now.

    Returns:
        What the merged checkpoint's manifest says of each parent, and its folder.

    Raises:
        UserError: A model is not there, or a manifest is of none that the recipe names.
    """
    base = [("base", recipe.inputs.base)] if recipe.inputs.base else []
    named = base + [("model", source) for source in recipe.inputs.models]
    known = {}
    for path in manifests:
        checkpoint = Checkpoint.from_manifest(path)
        source = checkpoint.manifest.source
        if source not in [source for _, source in named]:
            raise UserError(f"{path}: describes {source or 'no fetched model'}, which is not in the recipe")
        known[source] = checkpoint
    return [_parent(used_as, source, known.get(source)) for used_as, source in named]


def _parent(used_as: str, source: str, known: Checkpoint | None) -> tuple[Parent, Path]:
    if known:
        content, licence = known.manifest.content_id, known.manifest.licence
        return Parent(used_as=used_as, source=source, content_id=content, licence=licence), known.weights()
    folder = locate(source)
    manifest = Checkpoint.from_folder(folder).manifest
    licence = manifest.licence or stated_licence(folder)
    parent = Parent(used_as=used_as, source=lasting_source(source), content_id=manifest.content_id, licence=licence)
    return parent, folder


def _how_to_measure(name: str, side: CalibrationRequest, recipe: Recipe) -> str:
    """Return the command that measures a calibration, and the option that gives it to the merge."""
    inputs = recipe.inputs
    models = " ".join(f"--model {inputs.base if model is None else inputs.models[model]}" for model in side.models)
    return (
        f"give --calibration {name}={name}.json, measured by 'python scripts/calibrate.py --kind {side.kind} {models} "
        f"--calibration-data {side.calibration_data} --answer {side.answer} --out {name}.json'"
    )


def known_tensors(
    parents: Iterable[tuple[Parent, Path]], manifests: Iterable[Path] = ()
) -> dict[Path, Mapping[str, TensorRecord]]:
    """Return, by a parent's folder, what manifests say of its tensors; a merge compares them while it reads them.

    Args:
        parents: The parents with their folders, as ``find_parents`` returns them.
        manifests: Manifests of fetched models. Those that lie beside a parent's weights count as well.
    """
    parents = list(parents)
    own = [folder / MANIFEST_NAME for _, folder in parents]
    read = map(read_manifest, [*manifests, *(path for path in own if path.is_file())])
    tensors = {manifest.content_id: manifest.tensors for manifest in read}
    return {folder: tensors[parent.content_id] for parent, folder in parents if parent.content_id in tensors}


def read_calibrations(
    recipe: Recipe, files: dict[str, Path], parents: list[tuple[Parent, Path]]
) -> dict[str, Calibration]:
    """Read the calibrations that the recipe's method asks for, each measured on these very parents.

    Args:
        recipe: The recipe.
        files: Manifests of calibrations, by the method's names for them.
        parents: The parents with their folders, as ``find_parents`` returns them.

    Raises:
        UserError: One is missing, or there is one that the method does not read, or one is of something else.
    """
    asked = recipe.method.calibrations_needed(len(recipe.inputs.models))
    for name in files.keys() - asked.keys():
        names = ", ".join(asked) or "none"
        raise UserError(f"--calibration {name}: method '{recipe.method.method}' reads {names}")
    if lacking := {name: side for name, side in asked.items() if name not in files}:
        lines = [_how_to_measure(name, side, recipe) for name, side in lacking.items()]
        raise UserError(
            f"method '{recipe.method.method}' reads calibrations, of which {len(lines)} are missing: {'; '.join(lines)}"
        )
    if not asked:
        return {}
    ids = [parent.content_id for parent, _ in parents]
    first = 1 if recipe.inputs.base else 0
    return {
        name: read_calibration(
            files[name],
            side.kind,
            tuple(ids[0] if model is None else ids[first + model] for model in side.models),
            side.calibration_data,
            side.answer,
        )
        for name, side in asked.items()
    }
