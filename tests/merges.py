"""Merging tiny models by any method, with made-up calibrations, and what the method's own reference gives for it."""

import importlib
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import save_file
from support import load_tensors

from l2s.calibration.kinds import kind_module
from l2s.checkpoints.manifest import Parent
from l2s.checkpoints.tensor_names import EMBEDDING, HEAD, layer_of
from l2s.contracts.calibrations import (
    CalibrationManifest,
    read_calibration,
    write_manifest,
)
from l2s.contracts.parquet import table_of, write_table
from l2s.files import sha256_file
from l2s.merging.engine.contract import Method
from l2s.merging.engine.plan import plan_merge
from l2s.merging.engine.recipe import parse_recipe
from l2s.merging.engine.run import Workers, merge_checkpoint
from l2s.merging.engine.stream import StreamingMerge
from l2s.methods import method_class

Tensors = Mapping[str, np.ndarray]


class Given(NamedTuple):
    """What a method's reference computes from.

    Attributes:
        base: The base's tensors by name, float64; None for a method without a base.
        models: The tensors of each model; for a method without a base, the quick model is the first.
        calibrations: By the method's names for them: for activations an array [channels] by tensor name, else rows.
    """

    base: Tensors | None
    models: list[Tensors]
    calibrations: Mapping[str, Any]

    def task_vectors(self) -> list[dict[str, np.ndarray]]:
        """Return the float32 differences that methods see: thresholds are taken from those."""
        return [
            {name: (model[name].astype("f4") - start.astype("f4")).astype("f8") for name, start in self.base.items()}
            for model in self.models
        ]


def reference(given: Given, method: Method) -> dict[str, np.ndarray]:
    """Merge by the naive float64 reference of the method's test file."""
    return importlib.import_module(f"methods.test_{method.method}").reference(given, method)


# ---- calibrations


def made_up_calibrations(asked: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Return random data for the calibrations that a method asks for, the same for the same names."""
    make = {
        "activations": _activations,
        "sensitivities": _sensitivities,
        "logit_distances": _distances,
        "mutual_information": _information,
        "fisher": _fisher,
    }
    rngs = {name: np.random.default_rng(zlib.crc32(name.encode())) for name in asked}
    return {name: make[side.kind](rngs[name], tensors) for name, side in asked.items()}


def _activations(rng: np.random.Generator, tensors: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
    names = [name for name in tensors if name.endswith(".weight") and "embed_tokens" not in name]
    return {name: rng.uniform(0.1, 1.1, tensors[name].shape[-1]).astype("f4") for name in names}


def _sensitivities(rng: np.random.Generator, tensors: Mapping[str, torch.Tensor]) -> list[dict[str, Any]]:
    return [
        {"tensor": name, "layer": layer_of(name), "elements": tensor.numel(), "sensitivity": rng.uniform(1, 5)}
        for name, tensor in tensors.items()
    ]


def _information(rng: np.random.Generator, tensors: Mapping[str, torch.Tensor]) -> list[dict[str, Any]]:
    modules = {EMBEDDING, HEAD, "model.norm.weight"} & tensors.keys() | {n for n in tensors if "down_proj" in n}
    rows = [(name, str(n), rng.uniform(1, 4)) for name in sorted(modules) for n in range(4)]
    return [
        {"tensor": name, "layer": layer_of(name), "row_id": row_id, "outputs": 9, "mutual_information": information}
        for name, row_id, information in rows
    ]


def _fisher(rng: np.random.Generator, tensors: Mapping[str, torch.Tensor]) -> list[dict[str, Any]]:
    sizes = {name: {"layer": layer_of(name), "elements": tensor.numel()} for name, tensor in tensors.items()}
    measures = ("squared_gradient", "squared_shift")
    return [
        {"tensor": name, **size, **{measure: 10 ** rng.uniform(-3, 0) for measure in measures}}
        for name, size in sizes.items()
    ]


def _distances(rng: np.random.Generator, _: Mapping[str, torch.Tensor]) -> list[dict[str, Any]]:
    return [{"row_id": str(n), "tokens": 3, "distance": rng.uniform(1, 9)} for n in range(4)]


def write_calibration(folder: Path, name: str, kind: str, models: tuple[str, ...], data: Any, **texts: str) -> Path:
    """Write a calibration's two files; return its manifest's path."""
    module = importlib.import_module(kind_module(kind, "test"))
    file = folder / f"{name}{module.SUFFIX}"
    if module.SUFFIX == ".safetensors":
        save_file({key: torch.as_tensor(values) for key, values in data.items()}, file)
    else:
        write_table(table_of(data, module.SCHEMA), file)
    values = {
        "calibration_data": "set",
        "calibration_data_sha256": "0",
        "answer": "quick",
        "texts": {},
        "max_tokens": 9,
        "count": 1,
    }
    counts = {"tokens": 9, "answer_tokens": 3, "cut": 0, "file": file.name, "sha256": sha256_file(file)}
    path = folder / f"{name}.json"
    write_manifest(CalibrationManifest(kind=kind, models=models, **{**values, **texts}, **counts), path)
    return path


def _read_calibrations(parsed: Any, base: Path, data: dict[str, Any] | None, folder: Path) -> dict[str, Any]:
    asked = parsed.method.calibrations_needed(len(parsed.inputs.models))
    data = made_up_calibrations(asked, load_tensors(base)) if data is None else data
    assert data.keys() == asked.keys()
    read = {}
    for name, side in asked.items():
        folder.mkdir(exist_ok=True)
        measured, on = tuple(map(str, side.models)), {"calibration_data": side.calibration_data, "answer": side.answer}
        path = write_calibration(folder, name, side.kind, measured, data[name], **on)
        read[name] = read_calibration(path, side.kind, measured, **on)
    return read


# ---- merges


def parse(recipe: dict[str, Any], base: Path, slow: list[Path]) -> tuple[Any, list[tuple[Parent, Path]]]:
    """Return the recipe completed with the models, and the parents of its merge."""
    if method_class("merging", Method, recipe["method"], "test").needs_base:
        first, own = "base", {"base": str(base), "models": list(map(str, slow))}
    else:
        first, own = "model", {"models": [str(base), *map(str, slow)]}
    roles = [(first, base), *(("model", path) for path in slow)]
    return parse_recipe({**recipe, **own}, "test"), [(Parent(used_as=role, source=str(p)), p) for role, p in roles]


def merge(recipe, base, slow, out, threads=1, device="cpu", calibrations=None):
    """Merge model folders by a recipe's values, with the calibrations' data given or made up; return the manifest."""
    parsed, parents = parse(recipe, base, slow)
    read = _read_calibrations(parsed, base, calibrations, out.with_name("calibrations"))
    return merge_checkpoint(parsed, parents, out, Workers(threads, device), calibrations=read)


def plan(recipe, base, slow):
    """Return the plan of a merge with made-up calibrations."""
    parsed, parents = parse(recipe, base, slow)
    read = _read_calibrations(parsed, base, None, base.with_name("calibrations"))
    models = [path for parent, path in parents if parent.used_as == "model"]
    return plan_merge(parsed, base if parsed.method.needs_base else None, models, read)


def stream(recipe, base, slow, folder, threads, chunk):
    """Merge in chunks of so many elements; return the record of each tensor."""
    folder.mkdir()
    return StreamingMerge(plan(recipe, base, slow), folder, threads, chunk_elements=chunk).run()


def expected(recipe, base, slow, calibrations=None):
    """Return what the method's reference gives for the same merge: by tensor name, float64."""
    parsed, _ = parse(recipe, base, slow)
    asked = parsed.method.calibrations_needed(len(parsed.inputs.models))
    data = made_up_calibrations(asked, load_tensors(base)) if calibrations is None else calibrations
    read = [{name: tensor.double().numpy() for name, tensor in load_tensors(p).items()} for p in (base, *slow)]
    start = read.pop(0) if parsed.method.needs_base else None
    return reference(Given(start, read, data), parsed.method)
