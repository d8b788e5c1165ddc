"""Merging a LoRA adapter into a model's weights (Hu et al. 2021, arXiv 2106.09685, section 4.1): W + (α/r) B A.

Weights stream through buffers of fixed size. The r products are added one after the other, each an own float32
multiplication and addition, with one rounding at the end: the same bits on any machine, so that weights which were
deleted come back the same. PEFT's ``merge_and_unload`` is the same sum in an order that a matrix product chooses.
"""

import hashlib
from collections.abc import Iterator
from math import sqrt
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from l2s.checkpoints.headers import TensorPlace
from l2s.checkpoints.manifest import TensorRecord
from l2s.checkpoints.tensors import Planned, TensorReader, TensorWriter, torch_dtype
from l2s.errors import UserError
from l2s.files import read_json
from l2s.progress import Progress

ADAPTER_WEIGHTS, ADAPTER_CONFIG = "adapter_model.safetensors", "adapter_config.json"
PREFIX = "base_model.model."
NOT_MERGED = (
    "use_dora", "rank_pattern", "alpha_pattern", "modules_to_save", "fan_in_fan_out", "lora_bias", "use_bdlora",
    "alora_invocation_tokens",
)  # fmt: skip
# The others (pissa, corda, olora, loftq, lora_ga) take something off the weights that the adapter is trained over.
LEAVE_WEIGHTS = (True, False, None, "gaussian", "eva", "orthogonal", "mica")
CHUNK_ELEMENTS = 1 << 18
MAX_SHARD_BYTES = 5_000_000_000


class Update(NamedTuple):
    """The update of one weight: W + scale · B A, with A float32 [r, columns] and B float32 [rows, r]."""

    a: torch.Tensor
    b: torch.Tensor
    scale: float


def read_adapter(folder: Path) -> dict[str, Update]:
    """Return an adapter's updates by the name of the weight.

    Raises:
        UserError: A file is missing or damaged, a value is NaN or infinite, or the adapter does more than add products
            of two matrices.
    """
    again = "get the adapter again, or, if it was trained here, delete the checkpoint and train again"
    config, weights = read_json(folder / ADAPTER_CONFIG, again), folder / ADAPTER_WEIGHTS
    try:
        tensors = {name: tensor.float() for name, tensor in load_file(weights).items()}
    except (OSError, SafetensorError) as error:
        raise UserError(f"{weights}: cannot be read ({error}); {again}") from None
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise UserError(f"{weights}: tensor '{name}' holds NaN or infinity; lower 'learning_rate' and train again")
    _check_kind(config, tensors, folder)
    scale = config["lora_alpha"] / (sqrt(config["r"]) if config.get("use_rslora") else config["r"])
    names = [name.removesuffix(".lora_A.weight") for name in tensors if name.endswith(".lora_A.weight")]
    return {
        f"{name.removeprefix(PREFIX)}.weight": Update(
            tensors[f"{name}.lora_A.weight"], tensors[f"{name}.lora_B.weight"], scale
        )
        for name in names
    }


def _check_kind(config: dict[str, Any], tensors: dict[str, torch.Tensor], folder: Path) -> None:
    """Refuse what would be merged wrongly: other kinds of adapters, settings that differ from layer to layer, and
    adapters over weights that are not the model's own."""
    remedy = "merge it into its model with PEFT ('merge_and_unload'), and give the folder as 'path'"
    if config.get("peft_type") != "LORA":
        raise UserError(f"{folder}: is an adapter of type {config.get('peft_type')}, not LORA; {remedy}")
    for key in NOT_MERGED:
        if config.get(key):
            raise UserError(f"{folder / ADAPTER_CONFIG}: key '{key}' is not supported here; {remedy}")
    if (begun := config.get("init_lora_weights")) not in LEAVE_WEIGHTS:
        raise UserError(
            f"{folder / ADAPTER_CONFIG}: key 'init_lora_weights' is {begun!r}: the adapter belongs to weights that "
            f"PEFT has changed, not to the model's own; {remedy}"
        )
    for name in tensors:
        if not name.endswith((".lora_A.weight", ".lora_B.weight")):
            raise UserError(f"{folder / ADAPTER_WEIGHTS}: tensor '{name}' is not one of a linear layer; {remedy}")


def merge_adapter(model: Path, adapter: Path, folder: Path) -> dict[str, TensorRecord]:
    """Write a model's weights with an adapter merged into them, in the model's own dtypes.

    Args:
        model: Folder of the model that the adapter was trained on.
        adapter: Folder of the adapter, in PEFT's format.
        folder: Existing folder that the weight files go into.

    Returns:
        The record of every tensor, in the order of the files.

    Raises:
        UserError: The adapter does not fit the model, or a file is missing or damaged.
    """
    updates = read_adapter(adapter)
    with TensorReader(model) as reader:
        _check_fit(updates, reader.places, adapter)
        outputs = {name: Planned(place.dtype, place.shape) for name, place in reader.places.items()}
        progress = Progress("merge the adapter", sum(output.nbytes for output in outputs.values()) / 1e6, "MB")
        records = {}
        with TensorWriter(folder, outputs, MAX_SHARD_BYTES) as writer:
            for name, output in outputs.items():
                digest, first = hashlib.sha256(), 0
                for piece in _pieces(reader, reader.places[name], updates.get(name)):
                    writer.write(name, first, piece)
                    digest.update(piece)
                    first += len(piece)
                    progress.add(len(piece) / 1e6)
                records[name] = TensorRecord(dtype=output.dtype, shape=output.shape, sha256=digest.hexdigest())
    return records


def _check_fit(updates: dict[str, Update], places: dict[str, TensorPlace], adapter: Path) -> None:
    for name, update in updates.items():
        shape = (update.b.shape[0], update.a.shape[1])
        if name not in places or places[name].shape != shape:
            raise UserError(f"{adapter}: updates '{name}' {list(shape)}, which the model does not have")
    if not updates:
        raise UserError(f"{adapter}: holds no update")


def _pieces(reader: TensorReader, place: TensorPlace, update: Update | None) -> Iterator[memoryview]:
    """Yield a tensor's new bytes, a few rows at a time; each piece is valid until the next."""
    rows = place.shape[0] if place.shape else 1
    row_elements = place.elements // rows
    item = place.nbytes // place.elements
    step = max(1, CHUNK_ELEMENTS // row_elements)
    raw = torch.empty(min(step, rows) * row_elements * item, dtype=torch.uint8)
    buffer = memoryview(raw.numpy())
    for first in range(0, rows, step):
        count = min(step, rows - first)
        size = count * row_elements * item
        reader.read(place, first * row_elements * item, buffer[:size])
        if update is not None:
            stored = raw[:size].view(torch_dtype(place.dtype)).view(count, row_elements)
            stored.copy_(updated(stored.float(), update, first))
        yield buffer[:size]


def updated(rows: torch.Tensor, update: Update, first: int) -> torch.Tensor:
    """Return W + scale · B A for some rows of W, in place.

    Args:
        rows: float32 [n, columns].
        update: The update of the whole weight.
        first: Number of the first of these rows.
    """
    delta, product = torch.zeros_like(rows), torch.empty_like(rows)
    for column, row in zip(update.b[first : first + len(rows)].T, update.a, strict=True):
        delta.add_(torch.mul(column[:, None], row, out=product))
    return rows.add_(delta.mul_(update.scale))
