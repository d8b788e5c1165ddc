"""The model card of a merged or trained checkpoint, in the Hugging Face hub's format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from l2s.checkpoints.manifest import Manifest
from l2s.checkpoints.model_entry import split_source

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

CARD_NAME = "README.md"
NO_LICENCE = "not stated: ask before you publish"
MERGED = """\
# {title}

Made by merging, without training: method `{method}`.
{measured}

{parents}

The weights are subject to the licences of all of these.

## Recipe

```yaml
{recipe}```

## What was done about differences between the models

{policies}

## Reproduce

Save the recipe as `recipe.yaml`, then `python scripts/merge.py --recipe recipe.yaml --out DIR`. The result must have
the content_id `{content_id}` (in `manifest.json`, with the digest of every tensor). `statistics.parquet` holds for each
tensor the size of the task vector and of what was kept of it.
"""
TRAINED = """\
# {title}

Made by training with `{method}`: a LoRA adapter, merged into the weights.
{measured}

{parents}

The weights are subject to the licence of this model.

## Recipe

```yaml
{recipe}```

## Files

`adapter/` holds the adapter in PEFT's format, to be used with the model above: it is what the training made. The
weights here are the model's with the adapter merged into them. If they are deleted,
`python scripts/train.py --rebuild manifest.json` makes them again; they must have the content_id
`{content_id}` (in `manifest.json`, with the digest of every tensor).
`train.json` says how the checkpoint was chosen.
"""


@dataclass(frozen=True)
class Measured:
    """What was measured of a checkpoint, for its card.

    Attributes:
        text: The card's section, as Markdown.
        results: The same for the hub's ``model-index``: EvalResult of huggingface_hub.
    """

    text: str
    results: list[EvalResult]


def model_card(manifest: Manifest, measured: Measured | None = None) -> str:
    """Return the card's text: metadata as YAML, then parents, recipe, and how to make the checkpoint again.

    Args:
        manifest: The checkpoint's.
        measured: What was measured of it, if anything was.
    """
    # Imported here, as it takes a third of a second.
    from huggingface_hub import ModelCard

    text = (MERGED if manifest.kind == "merged" else TRAINED).format(
        title=title_of(manifest),
        method=manifest.recipe["method"],
        measured=f"\n{measured.text}" if measured else "",
        parents=_parents_table(manifest),
        recipe=yaml.safe_dump(public_recipe(manifest.recipe), sort_keys=False, allow_unicode=True),
        policies="\n".join(f"- **{key}**: {policy}" for key, policy in manifest.policies.items()),
        content_id=manifest.content_id,
    )
    return str(ModelCard(f"---\n{_metadata(manifest, measured)}\n---\n\n{text}"))


def stated_licence(folder: Path) -> str | None:
    """Return the licence that the card in a model's folder states, None if it states none."""
    path = folder / CARD_NAME
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    if not text.startswith("---\n"):
        return None
    try:
        stated = yaml.safe_load(text[4:].split("\n---", 1)[0])
    except yaml.YAMLError:
        return None
    licence = stated.get("license") if isinstance(stated, dict) else None
    return licence if isinstance(licence, str) else None


def title_of(manifest: Manifest) -> str:
    """Return what a card calls a checkpoint: the models that it is made of, and how."""
    names = dict.fromkeys(public_name(parent.source).split("@")[0].split("/")[-1] for parent in manifest.parents)
    return f"{' + '.join(names)} ({manifest.recipe['method']})"


def hub_parents(manifest: Manifest) -> list[str]:
    """Return the repositories of a checkpoint's parents, of those that are from the hub."""
    places = [split_source(parent.source) for parent in manifest.parents]
    return [place[0] for place in places if isinstance(place, tuple)]


def public_name(source: str) -> str:
    """Return a source as others may read it: of a folder outside the project only its name."""
    place = split_source(source)
    return place.name if isinstance(place, Path) and place.is_absolute() else source


def public_recipe(recipe: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe as others may read it."""
    named = {key: public_name(value) for key, value in recipe.items() if key in ("base", "model") and value}
    models = {"models": [public_name(source) for source in recipe["models"]]} if "models" in recipe else {}
    return {**recipe, **named, **models}


def _metadata(manifest: Manifest, measured: Measured | None) -> str:
    """Return what the hub reads: the parents that it has, what was made of them, and the licence if they share one."""
    from huggingface_hub import ModelCardData

    relation = "merge" if manifest.kind == "merged" else "finetune"
    hub = hub_parents(manifest)
    licences = {parent.licence for parent in manifest.parents if parent.licence}
    data = ModelCardData(
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=[relation, manifest.recipe["method"]],
        base_model=hub or None,
        base_model_relation=relation if hub else None,
        license=licences.pop().lower() if len(licences) == 1 else None,
        model_name=title_of(manifest) if measured else None,
        eval_results=measured.results if measured else None,
    )
    return data.to_yaml()


def _parents_table(manifest: Manifest) -> str:
    rows = []
    for parent in manifest.parents:
        cells = [parent.used_as, public_name(parent.source), parent.licence or NO_LICENCE]
        rows.append(f"| {' | '.join(cells)} | {(parent.content_id or '')[:16]} |")
    return "\n".join(["| used as | model | licence | content_id |", "|---|---|---|---|", *rows])
