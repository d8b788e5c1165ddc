"""Single files of the web, pinned by their sha256: downloaded once, kept under their digest.

They lie in the Hugging Face cache's folder for such files (``HF_HOME/assets/long2short``), so that one variable says
where all downloads go. The transfer is that of huggingface_hub's HTTP client: it waits and tries again after a broken
connection, 408, 429 (as long as the server asks) and 5xx. The files are small, so a broken transfer starts afresh. No
access token is sent.
"""

import hashlib
from pathlib import Path

from l2s.errors import UserError
from l2s.files import atomic_path, sha256_file

TIMEOUT_SECONDS = 30


def fetch_file(url: str, sha256: str) -> Path:
    """Return a file of the web, from this machine if it is there.

    Raises:
        UserError: What arrived is not the pinned file; nothing is kept of it.
        OSError: The file could not be downloaded.
    """
    from huggingface_hub import cached_assets_path

    file = cached_assets_path("long2short", "files", sha256) / url.rsplit("/", 1)[1]
    if file.is_file() and sha256_file(file) == sha256:
        return file
    content = download(url)
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise UserError(
            f"{url}: the sha256 of the file is {digest}, the entry's 'file_sha256' says {sha256}; it was altered on "
            "the way or at its source, and was not kept: try again, or give another 'url' of the pinned file"
        )
    with atomic_path(file) as partial:
        partial.write_bytes(content)
    return file


def download(url: str) -> bytes:
    """Return what lies at an address; the caller checks it.

    Raises:
        OSError: It could not be downloaded.
    """
    from huggingface_hub.utils import hf_raise_for_status, http_backoff

    print(f"downloading {url}", flush=True)
    try:
        response = http_backoff("GET", url, timeout=TIMEOUT_SECONDS)
        hf_raise_for_status(response)
    except Exception as error:  # the client's own kinds, which change with its version
        raise OSError(str(error).splitlines()[0] if str(error) else type(error).__name__) from None
    return response.content
