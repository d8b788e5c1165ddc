"""Fetching a model: download what is missing, check every file, describe it in a manifest.

Files lie in the Hugging Face cache (``HF_HOME``), which resumes partial downloads and is shared with other tools, or in
the local directory that the entry names. The cache names each blob after its digest at the hub (sha256 for large
files, git's sha1 for small ones), so every file can be checked without network.
"""

import hashlib
from pathlib import Path

from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError

from l2s.checkpoints.describe import describe_model
from l2s.checkpoints.entries import split_source
from l2s.checkpoints.manifest import Manifest
from l2s.checkpoints.weights import HUB_PATTERNS, local_folder
from l2s.errors import UserError
from l2s.files import READ_BYTES

SHA256_HEX = 64


def fetch_model(source: str, expected: str | None = None, licence: str | None = None) -> Manifest:
    """Bring a model to this machine and describe it.

    Args:
        source: ``repo@revision`` (40 hex digits) or a local directory.
        expected: The content_id that it must have, if known.
        licence: SPDX identifier of the weights' licence, if known.

    Returns:
        Its manifest: every tensor's digest, every file's digest and size.

    Raises:
        UserError: It cannot be reached, is incomplete or damaged, or is not what was expected.
    """
    place = split_source(source)
    folder = local_folder(source) if isinstance(place, Path) else _download(*place)
    if not folder.is_dir():
        raise UserError(f"{source}: no such model folder; give a local directory or 'repo@revision'")
    manifest = describe_model(folder, source, licence)
    if expected not in (None, manifest.content_id):
        raise UserError(
            f"{folder}: the model's content_id is {manifest.content_id}, expected {expected}; a file was altered or "
            "damaged: restore it, or, if the change is wanted, put the new content_id into the model's entry"
        )
    return manifest


def _download(repo: str, revision: str) -> Path:
    source = f"{repo}@{revision}"
    folder = local_folder(source)
    if folder is None:
        try:
            print(f"downloading {source}", flush=True)
            folder = Path(snapshot_download(repo, revision=revision, allow_patterns=HUB_PATTERNS))
        except GatedRepoError:
            raise UserError(
                f"{source}: accept the licence on the repository's page, then log in with 'hf auth login'"
            ) from None
        except (HfHubHTTPError, LocalEntryNotFoundError) as error:
            raise UserError(
                f"{source}: could not be downloaded ({str(error).splitlines()[0]}); check repository, revision and "
                "network, then run again: what has arrived is kept"
            ) from None
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        _check_blob(file, repo, revision, file.relative_to(folder).as_posix())
    return folder


def _check_blob(file: Path, repo: str, revision: str, name: str) -> None:
    """Compare a cached file with the digest that its blob is named after; a damaged one is fetched once more."""
    for attempt in range(2):
        blob = file.resolve()
        if _hub_digest(blob) == blob.name:
            return
        if attempt == 0:
            print(f"{name} of {repo} is damaged in the cache: downloading it again", flush=True)
            try:
                hf_hub_download(repo, name, revision=revision, force_download=True)
            except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
                raise UserError(
                    f"{blob}: its digest is not the one the hub gave, and it could not be downloaded again "
                    f"({str(error).splitlines()[0]}); delete it and run again with network"
                ) from None
    raise UserError(f"{blob}: its digest is not the one the hub gave, even after a second download")


def _hub_digest(blob: Path) -> str:
    digest = hashlib.sha256() if len(blob.name) == SHA256_HEX else hashlib.sha1(usedforsecurity=False)
    if digest.name == "sha1":
        digest.update(f"blob {blob.stat().st_size}\0".encode())
    with blob.open("rb") as stream:
        while piece := stream.read(READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()
