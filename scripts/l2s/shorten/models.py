"""The models that somebody gives: their entries, and what can be said of them before they are fetched."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from l2s.checkpoints.model_entry import COMMIT
from l2s.errors import UserError
from l2s.experiment.studies.search import SCALES
from l2s.files import read_json

THIRDS = ("early", "middle", "late")


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


def chat_prompt(models: Iterable[dict[str, Any]]) -> str:
    """Return the prompt for models with a chat template; a folder without one is a UserError.

    Merges are asked with the quick model's template, the slow model with its own. That a model of the hub has one shows
    when its first question is rendered.
    """
    for folder in (Path(model["path"]) for model in models if "path" in model):
        settings = folder / "tokenizer_config.json"
        known = read_json(settings, "get the model again") if settings.is_file() else {}
        if "chat_template" not in known and not (folder / "chat_template.jinja").is_file():
            raise UserError(
                f"{folder}: its tokenizer has no chat template; name an entry of config/prompts with --prompt"
            )
    return "chat"


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
