"""Calibrations: statistics of models on calibration data, which merging methods read.

A calibration is two files: its manifest ``<name>.json``, and beside it the data, as Parquet or safetensors. What was
measured on what is in the manifest, by content, so that a calibration of another model is noticed and none is ever
measured twice. What the data holds is said by its kind's module, ``l2s.calibration.kinds.<kind>``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from l2s.config import StrictModel, validate
from l2s.contracts.calibration_data import Answer
from l2s.errors import UserError
from l2s.files import pretty_json, read_json, sha256_file, write_text

if TYPE_CHECKING:
    from torch import Tensor


class CalibrationManifest(StrictModel):
    """What was measured, on what.

    Attributes:
        kind: What was measured.
        models: content_ids of the models.
        calibration_data: Name of the calibration data.
        calibration_data_sha256: Digest of its rows.
        answer: Which of its answers the models read.
        texts: How question and answer became one text, by kind of answer.
        max_tokens: Length that texts were cut to.
        count: Number of texts: one a row, two where both answers were read.
        tokens: Number of tokens read.
        answer_tokens: Number of them that belong to the answers, end of text included.
        cut: Number of texts cut at ``max_tokens``.
        file: Name of the data file, beside the manifest.
        sha256: Digest of the data file.
    """

    format: Literal[1] = 1
    kind: str
    models: tuple[str, ...]
    calibration_data: str
    calibration_data_sha256: str
    answer: Answer
    texts: dict[str, str]
    max_tokens: int
    count: int
    tokens: int
    answer_tokens: int
    cut: int
    file: str
    sha256: str


@dataclass(frozen=True)
class Calibration:
    """A calibration: its manifest, where that lies, and its data: tensors by name, or a table."""

    manifest: CalibrationManifest
    path: Path
    data: dict[str, Tensor] | pa.Table


def write_manifest(manifest: CalibrationManifest, path: Path) -> None:
    """Write a manifest atomically; its data file must lie beside it already."""
    write_text(path, pretty_json(manifest.model_dump(mode="json")))


def read_calibration(path: Path, kind: str, models: tuple[str, ...], calibration_data: str, answer: str) -> Calibration:
    """Read a calibration and check that it is the one wanted.

    Args:
        path: Its manifest.
        kind: What must have been measured.
        models: content_ids of the models that it must have been measured on.
        calibration_data: Name of the calibration data that they must have read.
        answer: Which of its answers.

    Raises:
        UserError: It is missing or damaged, of another kind, or was measured on other models or texts.
    """
    again = "measure it again with scripts/calibrate.py"
    manifest = validate(CalibrationManifest, read_json(path, again), str(path))
    if manifest.kind != kind:
        raise UserError(f"{path}: holds {manifest.kind}, but {kind} are needed; {again}")
    if manifest.models != models:
        raise UserError(
            f"{path}: was measured on the models with content_id {', '.join(manifest.models)}, but this merge has "
            f"{', '.join(models)}; {again}"
        )
    if (manifest.calibration_data, manifest.answer) != (calibration_data, answer):
        raise UserError(
            f"{path}: was measured on the {manifest.answer} answers of '{manifest.calibration_data}', but the "
            f"recipe asks for the {answer} answers of '{calibration_data}'; {again}, or change the recipe"
        )
    file = path.with_name(manifest.file)
    if not file.is_file() or sha256_file(file) != manifest.sha256:
        raise UserError(f"{file}: is missing or not the file that {path.name} describes; {again}")
    return Calibration(manifest, path, _read_data(file))


def _read_data(file: Path) -> dict[str, Tensor] | pa.Table:
    """Read a data file that has the digest of its manifest, and so is what its kind wrote."""
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    return pq.read_table(file)
