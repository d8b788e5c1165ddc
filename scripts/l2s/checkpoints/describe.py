"""Describing a model folder: what its manifest says, from its files."""

from pathlib import Path

from l2s.checkpoints.headers import weight_files
from l2s.checkpoints.manifest import Manifest, config_file_records, content_id, weight_records
from l2s.checkpoints.tensors import digest_tensors


def describe_model(folder: Path, source: str, licence: str | None = None) -> Manifest:
    """Return the manifest of a model that was not merged here: digests of every tensor and file.

    Raises:
        UserError: A file is missing or damaged, or a tensor holds NaN or infinity.
    """
    files = config_file_records(folder) | weight_records(weight_files(folder), digests=True)
    tensors = digest_tensors(folder, check_finite=True)
    return Manifest(
        kind="fetched",
        content_id=content_id(tensors, files),
        source=source,
        licence=licence,
        tensors=tensors,
        files=files,
    )
