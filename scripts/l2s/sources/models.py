"""Fetching a model: download what is missing, check every file, describe it in a manifest.

Files lie in the Hugging Face cache (``HF_HOME``), shared with other tools, or in the local directory that the entry
names. The cache names each blob after its digest at the hub (sha256 for large files, git's sha1 for small ones), so
that every file can be checked without network, whichever way it came (plain HTTP or Xet).

Over plain HTTP, the hub's client waits and tries again after 408 and 429, and goes on where a connection broke off;
here everything else that may pass is tried again. Xet has patience of its own. Files that have arrived are kept, also
when the process is killed; one that was on its way then starts afresh.
"""

import hashlib
from pathlib import Path

from httpx2 import TransportError
from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from l2s.checkpoints.headers import read_headers
from l2s.checkpoints.manifest import GET_AGAIN, Manifest
from l2s.checkpoints.model_entry import ModelEntry
from l2s.checkpoints.tensor_names import HEAD
from l2s.checkpoints.weights import HUB_PATTERNS, describe_model, local_folder
from l2s.errors import UserError
from l2s.files import READ_BYTES, read_json

SHA256_HEX = 64
ATTEMPTS, LONGEST_WAIT_SECONDS = 6, 60
# What downloading raises: OSError includes the hub's own errors, a full disk and a file that came short; hf_xet raises
# RuntimeError, when it has given up.
DOWNLOAD_ERRORS = (OSError, TransportError, RuntimeError, HFValidationError)


def fetch_model(entry: ModelEntry, where: str) -> Manifest:
    """Bring a model to this machine and describe it.

    Args:
        entry: The model, and what is known about it.
        where: What errors call the entry, e.g. its file.

    Returns:
        Its manifest: every tensor's digest, every file's digest and size.

    Raises:
        UserError: It cannot be reached, is incomplete or damaged, or is not what the entry says.
    """
    folder = _download(entry) if entry.repo else local_folder(entry.source)
    if not folder.is_dir():
        raise UserError(f"{entry.source}: no such model folder; give a local directory or 'repo@revision'")
    return describe_checked(entry, folder, entry.source, where)


def describe_checked(entry: ModelEntry, folder: Path, source: str, where: str) -> Manifest:
    """Return the manifest of a model in a folder, compared with what its entry says.

    Args:
        entry: The model, and what is known about it.
        folder: Where its files lie.
        source: What the manifest calls that place.
        where: What errors call the entry, e.g. its file.

    Raises:
        UserError: It is incomplete or damaged, or is not what the entry says.
    """
    _check_known(entry, folder, where)
    manifest = describe_model(folder, source, entry.licence)
    if entry.content_id not in (None, manifest.content_id):
        raise UserError(
            f"{folder}: the model's content_id is {manifest.content_id}, expected {entry.content_id}; a file was "
            "altered or damaged: restore it, or, if the change is wanted, put the new content_id into the model's entry"
        )
    return manifest


def _check_known(entry: ModelEntry, folder: Path, where: str) -> None:
    """Compare headers and config with what the entry says, before anything large is read."""
    places = read_headers(folder)
    found = {
        "bytes": sum(place.nbytes for place in places.values()),
        "context_length": read_json(folder / "config.json", GET_AGAIN).get("max_position_embeddings"),
        "tied": HEAD not in places,
    }
    for key, value in found.items():
        expected = getattr(entry, key)
        if expected not in (None, value):
            raise UserError(
                f"{where}: key '{key}': expected {expected}, found {value} in {folder}; these are not the files that "
                f"the entry describes: correct where it points ({entry.source}) or, if that is right, '{key}'"
            )


def _download(entry: ModelEntry) -> Path:
    print(f"downloading what is missing of {entry.source}", flush=True)
    retrying = Retrying(
        retry=retry_if_exception(_may_pass),
        wait=wait_exponential(max=LONGEST_WAIT_SECONDS),
        stop=stop_after_attempt(ATTEMPTS),
        before_sleep=_announce,
        reraise=True,
    )
    try:
        folder = Path(retrying(snapshot_download, entry.repo, revision=entry.revision, allow_patterns=HUB_PATTERNS))
    except RepositoryNotFoundError as error:  # the hub does not tell strangers whether it is missing, private or gated
        raise UserError(_access_remedy(entry, isinstance(error, GatedRepoError))) from None
    except DOWNLOAD_ERRORS as error:
        hint = " (with HF_HUB_DISABLE_XET=1 over plain HTTP)" if isinstance(error, RuntimeError) else ""
        raise UserError(
            f"{entry.source}: could not be downloaded ({_reason(error)}); check repository, revision, disk and "
            f"network, then run again{hint}: files that have arrived are kept"
        ) from None
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        _check_blob(file, entry, file.relative_to(folder).as_posix())
    return folder


def _may_pass(error: BaseException) -> bool:
    """Say whether trying again may help: the server or the connection failed, or a file came short."""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code >= 500
    return isinstance(error, TransportError) or "Consistency check failed" in str(error)


def _announce(state: RetryCallState) -> None:
    reason, wait = _reason(state.outcome.exception()), state.next_action.sleep
    print(f"download broke off ({reason}); trying again in {wait:.0f} s", flush=True)


def _reason(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _access_remedy(entry: ModelEntry, gated: bool) -> str:
    page = f"https://huggingface.co/{entry.repo}"
    login = "log in with 'hf auth login' (or set HF_TOKEN), then run again"
    if gated:
        licence = f"its licence ({entry.licence})" if entry.licence else "its licence"
        return f"{entry.source}: the repository is gated: accept {licence} on {page}, {login}"
    return (
        f"{entry.source}: the hub has no such repository, or hides it from you: look at {page}; correct 'repo' if it "
        f"is misspelt; if it is private or gated, accept its licence there and {login}"
    )


def _check_blob(file: Path, entry: ModelEntry, name: str) -> None:
    """Compare a cached file with the digest that its blob is named after; a damaged one is fetched once more."""
    for attempt in range(2):
        blob = file.resolve()
        if _hub_digest(blob) == blob.name:
            return
        if attempt == 0:
            print(f"{name} of {entry.repo} is damaged in the cache: downloading it again", flush=True)
            try:
                hf_hub_download(entry.repo, name, revision=entry.revision, force_download=True)
            except (*DOWNLOAD_ERRORS, ValueError) as error:
                raise UserError(
                    f"{blob}: its digest is not the one the hub gave, and it could not be downloaded again "
                    f"({_reason(error)}); delete it and run again with network"
                ) from None
    raise UserError(f"{blob}: its digest is not the one the hub gave, even after a second download; delete it")


def _hub_digest(blob: Path) -> str:
    digest = hashlib.sha256() if len(blob.name) == SHA256_HEX else hashlib.sha1(usedforsecurity=False)
    if digest.name == "sha1":
        digest.update(f"blob {blob.stat().st_size}\0".encode())
    with blob.open("rb") as stream:
        while piece := stream.read(READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()
