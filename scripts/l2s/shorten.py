"""The configuration that shortens somebody's own model: entries of ``config/`` made from two models and questions."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from l2s import gpus
from l2s.checkpoints.model_entry import COMMIT
from l2s.config import find_entry, read_values
from l2s.errors import UserError
from l2s.experiment.studies.search import ROUNDS, SCALES, SPACE
from l2s.files import read_json, write_text
from l2s.sources.benchmarks import FILE_KINDS, BenchmarkEntry, Source, load_questions, read_rows
from l2s.sources.pinning import rows_digest

QUESTION_COLUMNS = ("question", "problem", "prompt", "query", "instruction", "input")
ANSWER_COLUMNS = ("answer", "gold", "final_answer", "expected_answer", "ground_truth", "target", "label", "output")
AFTER_SOLUTION = r"####\s*(.+)"
"""Where a worked solution in GSM8K's form has its answer."""
BREVITY = "Be brief: reason in as few words as you can, and do not check yourself twice."
THIRDS = ("early", "middle", "late")
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
    """

    name: str
    quick: str
    slow: str
    loss: float
    benchmarks: list[str]
    results: str
    prompt: str | None
    budget: int | None


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
    prompt = wanted.prompt or chat_prompt(models[f"{name}-slow"])
    find_entry(config / "prompts", prompt, "--prompt")
    named = [benchmark_entry(given, name, config) for given in wanted.benchmarks]
    decoding = decode_settings(prompt, wanted.budget)
    brief = brief_prompt(config, prompt)
    study = {
        "kind": "search",
        "title": f"{name}, shortened",
        "pair": name,
        "allowed_loss": wanted.loss,
        "recipes": [*SPACE, *by_layers(models[f"{name}-quick"])],
        "benchmarks": [benchmark for benchmark, _ in named],
        "decoding": name,
        **({"brief": f"{name}-brief"} if brief else {}),
        "budgets": [decoding["max_new_tokens"] // part for part in BUDGETS],
        "grader": "math_verify",
        # Written out, though they are the defaults, so that they are seen and can be changed.
        "plain": ["task_arithmetic", "ties"],
        "report_share": 0.5,
        "seed": 0,
        "rounds": [one.model_dump() for one in ROUNDS],
        "finalists": 3,
    }
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


def top_level(wanted: Wanted) -> dict[str, Any]:
    """Return the configuration: every key that another configuration might give, so that none is taken over."""
    return {
        "results": wanted.results,
        "studies": [wanted.name],
        "published": None,
        "keep_checkpoints": False,
        "merge_threads": 2,
        "calibration_device": "cuda" if gpus.count() else "cpu",
        "calibration_threads": 2,
        "calibration_gb": 16,
    }


def model_entry(given: str, role: str) -> dict[str, Any]:
    """Return the entry of a model: a folder, or a repository of the hub at a commit.

    Raises:
        UserError: There is no such folder, and the hub knows no such model or does not answer.
    """
    if Path(given).is_dir():
        return {"path": str(Path(given).resolve()), "label": role}
    repo, _, revision = given.partition("@")
    if repo.count("/") != 1 or repo.startswith((".", "/")):
        raise UserError(f"--{role} {given}: there is no such folder; give one, or a model of the hub as owner/name")
    if not COMMIT.fullmatch(revision):
        revision = commit_of(repo, revision or None, f"--{role} {given}")
    return {"repo": repo, "revision": revision, "label": role}


def commit_of(repo: str, revision: str | None, asked_by: str) -> str:
    """Return the commit that a branch or tag of a repository of the hub stands for now; of ``main`` if None is given.

    Raises:
        UserError: The hub does not answer, or knows no such model.
    """
    from httpx2 import TransportError
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return str(HfApi().model_info(repo, revision=revision).sha)
    except (HfHubHTTPError, TransportError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        remedy = f"give its commit, {repo}@<40 hex digits>, or a folder"
        raise UserError(f"{asked_by}: the hub could not say its commit ({reason}); {remedy}") from None


def chat_prompt(slow: dict[str, Any]) -> str:
    """Return the prompt for a model with a chat template; a folder without one is a UserError.

    That a model of the hub has one shows when its first question is rendered.
    """
    if "path" in slow:
        folder = Path(slow["path"])
        settings = folder / "tokenizer_config.json"
        known = read_json(settings, "get the model again") if settings.is_file() else {}
        if "chat_template" not in known and not (folder / "chat_template.jinja").is_file():
            raise UserError(
                f"{folder}: its tokenizer has no chat template; name an entry of config/prompts with --prompt"
            )
    return "chat"


def brief_prompt(config: Path, prompt: str) -> dict[str, Any] | None:
    """Return a prompt with a sentence more that asks for brevity; None of one that is no chat."""
    values = read_values(config / "prompts" / f"{prompt}.yaml")
    if "chat" not in values:
        return None
    return {**values, "chat": {**values["chat"], "user": f"{values['chat']['user']}\n{BREVITY}"}}


def benchmark_entry(given: str, name: str, config: Path) -> tuple[str, dict[str, Any] | None]:
    """Return a benchmark's name, and its entry if a file of questions was given.

    Raises:
        UserError: There is neither such an entry nor such a file, or the file lacks a column.
    """
    path = Path(given)
    if path.suffix not in FILE_KINDS:
        find_entry(config / "benchmarks", given, f"--benchmark (no file that ends in {' or '.join(FILE_KINDS)})")
        return given, None
    where = f"--benchmark {given}"
    source = Source(path=str(path.resolve()))
    rows = read_rows(source, where)
    if not rows:
        raise UserError(f"{where}: holds no question")
    entry = {
        "source": {"path": source.path},
        "question": {"column": guessed(rows[0], QUESTION_COLUMNS, "question", where)},
        "gold": {"column": guessed(rows[0], ANSWER_COLUMNS, "answer", where)},
        "rows": len(rows),
    }
    if all("####" in str(row.get(entry["gold"]["column"])) for row in rows):
        entry["gold"]["pattern"] = AFTER_SOLUTION
    questions = load_questions(path.stem, BenchmarkEntry(**entry), where).to_pylist()
    return f"{name}-{path.stem}", {**entry, "sha256": rows_digest(questions)}


def guessed(row: dict[str, Any], usual: Iterable[str], what: str, where: str) -> str:
    """Return the column that holds questions or answers, by its usual names.

    Raises:
        UserError: None has such a name; names those that there are.
    """
    by_name = {column.lower(): column for column in row}
    for name in usual:
        if name in by_name:
            return by_name[name]
    raise UserError(
        f"{where}: no column is called like one of {what}s ({', '.join(usual)}); the columns are {', '.join(row)}; "
        "rename one, or write an entry of config/benchmarks that names it"
    )


def decode_settings(prompt: str, budget: int | None) -> dict[str, Any]:
    """Return decode settings for this machine, greedy."""
    device = "cuda" if gpus.count() else "cpu"
    shared = {"prompt": prompt, "max_new_tokens": budget or BUDGET[device], "device": device}
    if device == "cuda":
        return {**shared, "engine": "vllm" if find_spec("vllm") else "transformers", "dtype": "bfloat16"}
    return {**shared, "engine": "transformers", "dtype": "float32"}


def by_layers(quick: dict[str, Any]) -> list[dict[str, Any]]:
    """Return task arithmetic with a scale for each third of the layers, if the model's config says how many it has."""
    layers = layer_count(quick)
    if layers is None or layers < len(THIRDS):
        return []
    ends = [layers * (number + 1) // len(THIRDS) for number in range(len(THIRDS))]
    starts = [0, *ends[:-1]]
    thirds = {f"model.layers.{{{a}-{b - 1}}}.*": SCALES for a, b in zip(starts, ends, strict=True)}
    return [{"method": "task_arithmetic", "scale": {**thirds, "*": 0.7}}]


def layer_count(model: dict[str, Any]) -> int | None:
    """Return how many decoder layers a model has; None if its config cannot be read or does not say."""
    from httpx2 import TransportError
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        path = model.get("path")
        file = (
            Path(path, "config.json")
            if path
            else hf_hub_download(model["repo"], "config.json", revision=model["revision"])
        )
        return read_json(Path(file), "get the model again").get("num_hidden_layers")
    except (UserError, HfHubHTTPError, TransportError, OSError):
        return None


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
