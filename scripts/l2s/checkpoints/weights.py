"""Finding a checkpoint's files, and having them made again where they are not there."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from huggingface_hub import snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

from l2s.checkpoints.describe import describe_model
from l2s.checkpoints.headers import weight_files
from l2s.checkpoints.manifest import CONFIG_FILES, MANIFEST_NAME, Manifest, read_manifest
from l2s.checkpoints.model_entry import split_source
from l2s.checkpoints.tensors import digest_tensors
from l2s.errors import UserError
from l2s.files import temporary_folder

SCRIPTS = Path(__file__).resolve().parents[2]
REBUILDING_SCRIPTS = {"fetched": "fetch_model.py", "merged": "merge.py", "trained": "train.py"}
LOCK_NAME = ".rebuild.lock"
ID_DIGITS = 16
# Weights, config files, and nothing else that a repository may hold.
HUB_PATTERNS = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.model", "*.jinja"]


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

    def config_files(self) -> Path:
        """Return a folder with config and tokenizer, touching the weights only if one of those is missing."""
        names = [name for name in self.manifest.files if name in CONFIG_FILES]
        return self._find(names) or self.weights()

    def weights(self) -> Path:
        """Return a folder with all of the checkpoint's files, made again if any is missing.

        A merged checkpoint is rebuilt beside its manifest by ``scripts/merge.py``, a trained one from its adapter by
        ``scripts/train.py``, a fetched one fetched again by ``scripts/fetch_model.py``; all check the content_id.

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

        Weights made here that differ are made again; of a fetched model they are an error.

        Raises:
            UserError: The tensors are not those of the manifest.
        """
        folder = self.weights()
        if digest_tensors(folder) == self.manifest.tensors:
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
            run_script("merge.py", "--rebuild", str(self.manifest_path), "--into", str(folder))
            if any(not (folder / name).is_file() for name in self.manifest.files):
                raise UserError(f"{self.manifest_path}: the checkpoint could not be made again; see the lines above")
            yield folder

    def _find(self, names: list[str]) -> Path | None:
        """Return the folder if each of these files is there with its size, else None."""
        fetched = self.manifest.kind == "fetched"
        folder = local_folder(self.manifest.source) if fetched else self.manifest_path.parent
        if folder is None:
            return None
        sizes = {name: self.manifest.files[name].bytes for name in names}
        whole = all((folder / name).is_file() and (folder / name).stat().st_size == sizes[name] for name in names)
        return folder if whole else None

    def _make_again(self) -> Path:
        script = REBUILDING_SCRIPTS[self.manifest.kind]
        print(f"files of {self.manifest_path.parent} are not there: {script} makes them again", flush=True)
        run_script(script, "--rebuild", str(self.manifest_path))
        folder = self._find(list(self.manifest.files))
        if folder is None:
            raise UserError(f"{self.manifest_path}: the checkpoint could not be made again; see the lines above")
        return folder


def local_folder(source: str) -> Path | None:
    """Return where a source lies on this machine, or None if the hub's cache does not hold all of it."""
    place = split_source(source)
    if isinstance(place, Path):
        # Manifests of the workflow name local directories relative to the project.
        return place if place.is_dir() else SCRIPTS.parent / place
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
        with tempfile.TemporaryDirectory() as scratch:
            run_script("fetch_model.py", "--source", source, "--out", scratch)
        folder = local_folder(source)
    if folder is None or not folder.is_dir():
        hint = "" if isinstance(split_source(source), Path) else "; see the lines above"
        raise UserError(f"{source}: no such model; give a local directory or owner/name@<40-digit commit>{hint}")
    return folder


def run_script(script: str, *arguments: str) -> None:
    """Run another step in a process of its own: stages meet only in files."""
    subprocess.run([sys.executable, str(SCRIPTS / script), *arguments], check=False)
