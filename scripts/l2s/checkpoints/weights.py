"""Checkpoints: what one is, where its files lie, and having them made again where they are not there.

Making files is a stage's work, and stages are above this floor: whoever starts them fills REBUILDERS and FETCHERS.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from filelock import FileLock
from huggingface_hub import snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

from l2s.checkpoints.headers import read_headers, weight_files
from l2s.checkpoints.manifest import (
    CONFIG_FILES,
    GET_AGAIN,
    MANIFEST_NAME,
    FileRecord,
    Manifest,
    TensorRecord,
    config_file_records,
    content_id,
    read_manifest,
    weight_records,
)
from l2s.checkpoints.model_entry import split_source
from l2s.checkpoints.tensors import digest_tensors
from l2s.checkpoints.whole_model import check_layers, check_tied
from l2s.config import PROJECT
from l2s.errors import UserError
from l2s.files import read_json, sha256_file, temporary_folder

LOCK_NAME = ".rebuild.lock"
ID_DIGITS = 16
# Weights, config files, and nothing else that a repository may hold.
HUB_PATTERNS = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.model", "*.jinja"]

REBUILDERS: dict[str, Callable[[Path, Path | None], None]] = {}
"""By a manifest's kind, what makes a checkpoint's files again, given its manifest and, where they are not to lie beside
it, a folder. What could not be made is seen by what is missing then."""
FETCHERS: dict[str, Callable[[str], None]] = {}
"""Under "hub", what downloads a model of the hub, given as owner/name@commit."""
Doer = TypeVar("Doer")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint: what it is, and where its files lie or will lie.

    Attributes:
        manifest: What it is.
        manifest_path: Where its manifest lies; None for a model folder named by hand that has none.
    """

    manifest: Manifest
    manifest_path: Path | None

    @classmethod
    def from_manifest(cls, path: Path) -> "Checkpoint":
        """Return the checkpoint that a manifest describes."""
        return cls(read_manifest(path), path)

    @classmethod
    def from_folder(cls, folder: Path) -> "Checkpoint":
        """Return the checkpoint in a folder; without a manifest its files are digested now."""
        path = folder / MANIFEST_NAME
        return cls.from_manifest(path) if path.is_file() else cls(describe_model(folder, str(folder)), None)

    @classmethod
    def find(cls, given: str) -> "Checkpoint":
        """Return the checkpoint that a user or a rule means: a ``manifest.json``, a model folder, or a hub model.

        What is not on this machine is downloaded; without a manifest the files are digested now.
        """
        path = Path(given)
        return cls.from_manifest(path) if path.name == MANIFEST_NAME else cls.from_folder(locate(given))

    def config_files(self) -> Path:
        """Return a folder with config and tokenizer, touching the weights only if one of those is missing."""
        names = [name for name in self.manifest.files if name in CONFIG_FILES]
        return self._find(names) or self.weights()

    def weights(self) -> Path:
        """Return a folder with all of the checkpoint's files, made again if any is missing.

        A merged checkpoint is merged again beside its manifest, a trained one made from its adapter, a fetched one
        fetched again, by what REBUILDERS names; all check the content_id.

        Raises:
            UserError: They could not be made again, or came out different.
        """
        names = list(self.manifest.files)
        folder = self._find(names)
        if folder is None and self.manifest_path is None:
            raise UserError(f"{self.manifest.source}: a file of the model has changed or vanished; run again")
        if folder is None:
            with FileLock(self.manifest_path.with_name(LOCK_NAME)):
                folder = self._find(names) or self._make_again()
        return folder

    def checked_weights(self) -> Path:
        """Return a folder with all of the checkpoint's files, every tensor compared with its digest.

        Weights made here that differ are made again; of a fetched model they are an error. Without a manifest, the
        digests were made when the checkpoint was found.

        Raises:
            UserError: The tensors are not those of the manifest.
        """
        folder = self.weights()
        if self.manifest_path is None or digest_tensors(folder) == self.manifest.tensors:
            return folder
        print(f"{folder}: the weights are not those of the manifest", flush=True)
        if self.manifest.kind != "fetched":
            folder = self._make_again()
            if digest_tensors(folder) == self.manifest.tensors:
                return folder
        raise UserError(f"{folder}: the weights are not those of the manifest; make the checkpoint again")

    @contextmanager
    def lent(self, scratch: Path | None) -> Iterator[Path]:
        """Lend a folder with all of the checkpoint's files, every tensor compared with its digest.

        Args:
            scratch: Where a merged checkpoint's weights that are not beside its manifest are made for the time of the
                loan; None has them made beside it, to stay.

        Raises:
            UserError: They could not be made again, or came out different.
        """
        if scratch is None or self.manifest.kind != "merged" or self._find(list(self.manifest.files)):
            yield self.checked_weights()
            return
        with temporary_folder(scratch, self.manifest.content_id[:ID_DIGITS]) as parent:
            # Below the temporary folder, so that what a killed rebuild leaves beside it goes with it.
            folder = parent / "weights"
            folder.mkdir()
            print(f"weights of {self.manifest_path.parent} are made in {folder}", flush=True)
            _registered(REBUILDERS, self.manifest.kind)(self.manifest_path, folder)
            if any(not (folder / name).is_file() for name in self.manifest.files):
                raise UserError(f"{self.manifest_path}: the checkpoint could not be made again; see the lines above")
            yield folder

    def _find(self, names: list[str]) -> Path | None:
        """Return the folder if each of these files is there, whole as far as is seen quickly, else None.

        Weights have their size (``checked_weights`` reads them), config and tokenizer their digest.

        Raises:
            UserError: A file lies there that belongs to config or tokenizer, and that the manifest does not know.
        """
        fetched = self.manifest.kind == "fetched"
        folder = local_folder(self.manifest.source) if fetched else self.manifest_path.parent
        if folder is None:
            return None
        known = self.manifest.files
        for name in CONFIG_FILES:
            if name not in known and (folder / name).is_file():
                raise UserError(
                    f"{folder / name}: lies beside the model's files and would be used, but the manifest does not know "
                    "it; remove it, or make the checkpoint again"
                )
        return folder if all(_is_whole(folder / name, known[name]) for name in names) else None

    def _make_again(self) -> Path:
        print(f"files of {self.manifest_path.parent} are not there: they are made again", flush=True)
        _registered(REBUILDERS, self.manifest.kind)(self.manifest_path, None)
        folder = self._find(list(self.manifest.files))
        if folder is None:
            raise UserError(f"{self.manifest_path}: the checkpoint could not be made again; see the lines above")
        return folder


def _is_whole(path: Path, record: FileRecord) -> bool:
    if not path.is_file() or path.stat().st_size != record.bytes:
        return False
    return path.name not in CONFIG_FILES or sha256_file(path) == record.sha256


def local_folder(source: str) -> Path | None:
    """Return where a source lies on this machine, or None if the hub's cache does not hold all of it."""
    place = split_source(source)
    if isinstance(place, Path):
        # Manifests of the workflow name local directories relative to the project.
        return place if place.is_dir() else PROJECT / place
    repo, revision = place
    try:
        folder = Path(snapshot_download(repo, revision=revision, allow_patterns=HUB_PATTERNS, local_files_only=True))
        weight_files(folder)  # the hub's client also returns a folder in which another tool put a file or two
    except (LocalEntryNotFoundError, UserError):
        return None
    return folder


def locate(source: str) -> Path:
    """Return the folder of a local directory or hub model; what is not on this machine is downloaded.

    Raises:
        UserError: There is no such model.
    """
    folder = local_folder(source)
    if folder is None:
        _registered(FETCHERS, "hub")(source)
        folder = local_folder(source)
    if folder is None or not folder.is_dir():
        hint = "" if isinstance(split_source(source), Path) else "; see the lines above"
        raise UserError(f"{source}: no such model; give a local directory or owner/name@<40-digit commit>{hint}")
    return folder


def find_weights(given: str) -> Path:
    """Return the folder of a model given as to ``Checkpoint.find``, without digesting anything."""
    path = Path(given)
    return Checkpoint.from_manifest(path).weights() if path.name == MANIFEST_NAME else locate(given)


def recorded_tensors(given: str, folder: Path) -> Mapping[str, TensorRecord]:
    """Return what the manifest of a model says of its tensors; nothing if it has none.

    Args:
        given: The model, as given to ``find_weights``.
        folder: Its folder, as returned.
    """
    path = Path(given) if Path(given).name == MANIFEST_NAME else folder / MANIFEST_NAME
    return read_manifest(path).tensors if path.is_file() else {}


def lasting_source(given: str) -> str:
    """Return a model's source as a manifest keeps it: it means the same from any working directory.

    Of a fetched model's manifest that is the source that it names; folders become absolute.
    """
    place = split_source(given)
    if not isinstance(place, Path):
        return given
    if place.name == MANIFEST_NAME:
        manifest = read_manifest(place)
        if manifest.kind == "fetched":
            return manifest.source
        place = place.parent
    return str(place.resolve())


def describe_model(folder: Path, source: str, licence: str | None = None) -> Manifest:
    """Return the manifest of a model that was not made here: digests of every tensor and file.

    Raises:
        UserError: A file is missing or damaged, tensors and config do not belong together, or a tensor holds NaN or
            infinity.
    """
    files = config_file_records(folder) | weight_records(weight_files(folder), digests=True)
    config = read_json(folder / "config.json", GET_AGAIN)
    check_layers(folder, read_headers(folder), config)
    tensors = digest_tensors(folder, check_finite=True)
    check_tied(folder, tensors, config)
    return Manifest(
        kind="fetched",
        content_id=content_id(tensors, files),
        source=source,
        licence=licence,
        tensors=tensors,
        files=files,
    )


def _registered(registry: dict[str, Doer], kind: str) -> Doer:
    if kind not in registry:
        raise UserError(
            f"files of a {kind} model are missing, and nothing is registered that makes them: call "
            "l2s.steps.register_steps() first, as the scripts do"
        )
    return registry[kind]
