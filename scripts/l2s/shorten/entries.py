"""The entries that shorten somebody's own model, and writing them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from l2s import gpus
from l2s.config import find_entry, read_values
from l2s.errors import UserError
from l2s.experiment.studies.search import ROUNDS, SPACE
from l2s.files import write_text
from l2s.shorten.models import by_layers, chat_prompt, model_entry
from l2s.shorten.questions import benchmark_entry

BREVITY = "Be brief: reason in as few words as you can, and do not check yourself twice."
BUDGETS = (2, 4, 8, 16)  # parts of the whole budget that the slow model is cut at
BUDGET = {"cuda": 8192, "cpu": 2048}  # tokens, as config/decoding/paper.yaml and cpu.yaml have them
YAML = {"allow_unicode": True, "width": 110, "default_flow_style": None}  # the innermost lists and mappings on one line
SCHEMA = "# yaml-language-server: $schema=../{up}docs/schemas/{kind}.json\n"


class Wanted(NamedTuple):
    """What somebody wants shortened.

    Attributes:
        name: What the entries are called.
        quick: The quick model: a folder, ``owner/name`` or ``owner/name@revision``.
        slow: The slow model, likewise.
        loss: Points of accuracy that may be lost.
        benchmarks: Entries of config/benchmarks, or JSONL or Parquet files.
        results: The results folder.
        prompt: An entry of config/prompts; None: the tokenizer's chat template.
        budget: Tokens that a response may have; None: what suits the machine.
        calibration_data: An entry of config/calibration_data; None: no method that needs calibrations is searched.
    """

    name: str
    quick: str
    slow: str
    loss: float
    benchmarks: list[str]
    results: str
    prompt: str | None
    budget: int | None
    calibration_data: str | None


def entries_of(wanted: Wanted, config: Path) -> dict[Path, dict[str, Any]]:
    """Return the entries to write, and the configuration that names them, by their files.

    Args:
        wanted: What somebody wants.
        config: The folder of entries, ``config/``.

    Raises:
        UserError: A model, benchmark or prompt cannot be found, or a file of questions lacks a column.
    """
    name = wanted.name
    models = {
        f"{name}-{role}": model_entry(given, role) for role, given in (("quick", wanted.quick), ("slow", wanted.slow))
    }
    prompt = wanted.prompt or chat_prompt(models.values())
    find_entry(config / "prompts", prompt, "--prompt")
    if wanted.calibration_data:
        find_entry(config / "calibration_data", wanted.calibration_data, "--calibration-data")
    named = [benchmark_entry(given, name, config) for given in wanted.benchmarks]
    decoding = decode_settings(prompt, wanted.budget)
    brief = brief_prompt(config, prompt)
    quick, budget = models[f"{name}-quick"], decoding["max_new_tokens"]
    study = search_study(wanted, quick, [benchmark for benchmark, _ in named], budget, brief is not None)
    parts = {
        "models": models,
        "pairs": {name: {"quick": f"{name}-quick", "slow": [f"{name}-slow"]}},
        "benchmarks": {benchmark: entry for benchmark, entry in named if entry},
        "prompts": {f"{name}-brief": brief} if brief else {},
        "decoding": {
            name: decoding,
            **({f"{name}-brief": {"extends": name, "prompt": f"{name}-brief"}} if brief else {}),
        },
        "studies": {name: study},
    }
    files = {config / kind / f"{entry}.yaml": values for kind, made in parts.items() for entry, values in made.items()}
    return {**files, config / f"{name}.yaml": top_level(wanted)}


def search_study(
    wanted: Wanted, quick: dict[str, Any], benchmarks: list[str], budget: int, brief: bool
) -> dict[str, Any]:
    """Return the study: a search over the default space."""
    name = wanted.name
    return {
        "kind": "search",
        "title": f"{name}, shortened",
        "pair": name,
        "allowed_loss": wanted.loss,
        "recipes": [*SPACE, *by_layers(quick), *calibrated(wanted.calibration_data)],
        "benchmarks": benchmarks,
        "decoding": name,
        **({"brief": f"{name}-brief"} if brief else {}),
        "budgets": [budget // part for part in BUDGETS],
        "grader": "math_verify",
        # Written out, though they are the defaults, so that they are seen and can be changed.
        "plain": ["task_arithmetic", "ties"],
        "report_share": 0.5,
        "seed": 0,
        "rounds": [one.model_dump() for one in ROUNDS],
        "finalists": 3,
    }


def top_level(wanted: Wanted) -> dict[str, Any]:
    """Return the configuration; of merged weights only those of the result stay."""
    return {"results": wanted.results, "studies": [wanted.name], "keep_checkpoints": False}


def brief_prompt(config: Path, prompt: str) -> dict[str, Any] | None:
    """Return a prompt with a sentence more that asks for brevity; None of one that is no chat."""
    values = read_values(config / "prompts" / f"{prompt}.yaml")
    if "chat" not in values:
        return None
    return {**values, "chat": {**values["chat"], "user": f"{values['chat']['user']}\n{BREVITY}"}}


def decode_settings(prompt: str, budget: int | None) -> dict[str, Any]:
    """Return decode settings for this machine, greedy."""
    device = "cuda" if gpus.count() else "cpu"
    shared = {"prompt": prompt, "max_new_tokens": budget or BUDGET[device], "device": device}
    if device == "cuda":
        return {**shared, "engine": "vllm" if find_spec("vllm") else "transformers", "dtype": "bfloat16"}
    return {**shared, "engine": "transformers", "dtype": "float32"}


def calibrated(data: str | None) -> list[dict[str, Any]]:
    """Return what is searched of methods that read calibrations on these data; nothing if there are none."""
    if data is None:
        return []
    trimmed = {"method": "ties", "keep_fraction": 0.2, "scale": [0.8, 1.0]}
    return [
        {"method": "aim", "omega": [0.2, 0.4, 0.6], "of": trimmed, "calibration_data": data},
        {"method": "sens", "variant": "published", "scale": [0.5, 0.6, 0.7, 0.8, 0.9], "calibration_data": data},
    ]


def write_entries(entries: dict[Path, dict[str, Any]], overwrite: bool) -> None:
    """Write entries; those that are there and say the same stay.

    Args:
        entries: By file, what it says.
        overwrite: Whether to replace files that say something else.

    Raises:
        UserError: A file says something else, and is not to be replaced; nothing has been written then.
    """
    others = [file for file, values in entries.items() if file.is_file() and read_values(file) != _plain(values)]
    if others and not overwrite:
        top = list(entries)[-1]
        raise UserError(
            f"{', '.join(map(str, others))}: would be written otherwise now; to run with the files as they are, "
            f"snakemake --configfile {top}; to replace them, --overwrite"
        )
    for file, values in entries.items():
        if file in others or not file.is_file():
            schema = SCHEMA.format(up="" if file.parent.name == "config" else "../", kind=_kind(file))
            write_text(file, schema + yaml.safe_dump(_plain(values), sort_keys=False, **YAML))
            print(f"written: {file}")


def _kind(file: Path) -> str:
    return "config" if file.parent.name == "config" else file.parent.name


def _plain(values: Any) -> Any:
    """Return values as YAML reads them back, without aliases between equal parts."""
    if isinstance(values, dict):
        return {key: _plain(value) for key, value in values.items()}
    return [_plain(value) for value in values] if isinstance(values, list | tuple) else values
