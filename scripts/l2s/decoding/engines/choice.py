"""Which engine decodes: choosing settings and engine by hand, what identifies an engine, and starting it."""

import importlib
from enum import StrEnum
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path

from l2s.decoding.engines.interface import Engine
from l2s.decoding.settings import DecodingEntry
from l2s.decoding.stopping import Stops
from l2s.errors import UserError
from l2s.gpus import lease
from l2s.provenance import reached_digest

ENGINE_PACKAGES = {"transformers": ("transformers", "torch"), "vllm": ("vllm", "transformers", "torch")}


class EngineChoice(StrEnum):
    """What ``--engine`` takes."""

    TRANSFORMERS = "transformers"
    VLLM = "vllm"
    AUTO = "auto"


def choose_settings() -> str:
    """Name the entry of decode settings that suits this machine, and say so."""
    import torch

    # Not torch.cuda.is_available(): it makes CUDA read CUDA_VISIBLE_DEVICES, before a lease has set it.
    chosen = "paper" if torch.cuda.device_count() > 0 else "cpu"
    print(f"decode settings: {chosen} (config/decoding/{chosen}.yaml); choose others with --decoding")
    return chosen


def choose_engine(settings: DecodingEntry, engine: EngineChoice) -> DecodingEntry:
    """Return the settings with the engine that was asked for, or that suits this machine, and say so."""
    if engine is EngineChoice.AUTO:
        suits = settings.device == "cuda" and find_spec("vllm")
        engine = EngineChoice.VLLM if suits else EngineChoice.TRANSFORMERS
    print(f"engine: {engine}")
    return settings if settings.engine == engine else settings.with_engine(engine)


def engine_identity(settings: DecodingEntry) -> dict[str, str]:
    """Return the versions of the engine's packages and the digest of its module and all that it reaches by import.

    Raises:
        UserError: The engine is not installed.
    """
    identity = {"code": reached_digest(settings.engine_module)}
    distributions = packages_distributions()  # vLLM's build for CPUs is distributed under another name
    for package in ENGINE_PACKAGES[settings.engine]:
        if package not in distributions:
            raise UserError(
                f"engine '{settings.engine}': the package {package} is not installed here; 'make setup-cuda' installs "
                "vLLM for GPUs, 'make setup-vllm' for CPUs, each into an environment of its own"
            )
        identity[package] = version(distributions[package][0])
    return identity


def start_engine(folder: Path, settings: DecodingEntry, stops: Stops, granted: int | None) -> Engine:
    """Start the engine that the settings name, on the weights in a folder and on GPUs of its own."""
    if settings.gpus:
        lease(settings.gpus, granted)
    return importlib.import_module(settings.engine_module).start(folder, settings, stops)
