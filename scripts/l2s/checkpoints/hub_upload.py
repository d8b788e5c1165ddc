"""Writing to the hub: a repository is made if it is not there, and gets all files of a model in one commit.

Files go up by the hub's client, which keeps what has arrived: after a broken connection run again. The commit comes
last, so that a repository never holds half a model. The client finds the token itself; nothing here reads or shows it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from httpx2 import TransportError
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError

from l2s.errors import UserError

UNAUTHORIZED, FORBIDDEN, CONFLICT, CHANGED = 401, 403, 409, 412
ATTRIBUTES = ".gitattributes"  # what the hub itself puts into a new repository


class Repository(NamedTuple):
    """A repository of the hub as it is now: its newest commit, whether others can see it, and its files."""

    commit: str
    private: bool
    files: list[str]


def find_repository(repo: str) -> Repository | None:
    """Return a repository, or None if the hub has none of this name, or hides it.

    Raises:
        UserError: The name is none, or the hub cannot be reached.
    """
    with clear_hub_errors(repo):
        try:
            info = HfApi().model_info(repo)
        except RepositoryNotFoundError:
            return None
    files = [sibling.rfilename for sibling in info.siblings or [] if sibling.rfilename != ATTRIBUTES]
    return Repository(info.sha, bool(info.private), files)


def upload(
    repo: str,
    files: Mapping[str, Path | bytes],
    outdated: Sequence[str],
    found: Repository | None,
    private: bool,
) -> str:
    """Put files into a repository, in one commit, and return the commit's address.

    Args:
        repo: owner/name.
        files: Files or their bytes, by name in the repository.
        outdated: Files in it that are to go.
        found: The repository as the user has seen it; None: it is made.
        private: Whether only its owners see it, if it is made.

    Raises:
        UserError: The hub refuses, cannot be reached, or the repository is not as it was.
    """
    added = [
        CommitOperationAdd(path_in_repo=name, path_or_fileobj=str(file) if isinstance(file, Path) else file)
        for name, file in files.items()
    ]
    removed = [CommitOperationDelete(path_in_repo=name) for name in outdated]
    with clear_hub_errors(repo), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*about to commit a data file")
        if found is None:
            HfApi().create_repo(repo, private=private)
        parent = found.commit if found else None
        message = "Upload a model" if found is None else "Replace the model"
        return HfApi().create_commit(repo, [*added, *removed], commit_message=message, parent_commit=parent).commit_url


@contextmanager
def clear_hub_errors(repo: str) -> Iterator[None]:
    """Turn what a user can correct about the hub into a UserError."""
    try:
        yield
    except HFValidationError:
        raise UserError(f"{repo}: is no name of a repository; give owner/name") from None
    except HfHubHTTPError as error:
        remedies = {
            UNAUTHORIZED: "log in with 'hf auth login', or set HF_TOKEN to a token that may write",
            FORBIDDEN: "your token may not write there: choose another owner, or make a token that may",
            CONFLICT: "the hub already has a repository of this name that you cannot see; choose another name",
            CHANGED: "somebody has changed the repository meanwhile; look at it and run again",
        }
        status = error.response.status_code
        remedy = remedies.get(status, "run again later; files that have arrived are kept")
        raise UserError(f"{repo}: the hub answered {status}; {remedy}") from None
    except (TransportError, OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"{repo}: the hub could not be reached ({reason}); check the network and run again: files that have "
            "arrived are kept"
        ) from None
