"""The model card of a merged or trained checkpoint, in the Hugging Face hub's format."""

from __future__ import annotations

import yaml

from l2s.checkpoints.manifest import Manifest
from l2s.checkpoints.model_entry import split_source

CARD_NAME = "README.md"
MERGED = """\
# {name}

Made by merging, without training: method `{method}`.

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
# {name}

Made by training with `{method}`: a LoRA adapter, merged into the weights.

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


def model_card(manifest: Manifest, name: str) -> str:
    """Return the card's text: metadata as YAML, then parents, recipe, and how to make the checkpoint again.

    Args:
        manifest: The checkpoint's.
        name: What to call it.
    """
    # Imported here, as it takes a third of a second.
    from huggingface_hub import ModelCard

    text = (MERGED if manifest.kind == "merged" else TRAINED).format(
        name=name,
        method=manifest.recipe["method"],
        parents=_parents_table(manifest),
        recipe=yaml.safe_dump(manifest.recipe, sort_keys=False, allow_unicode=True),
        policies="\n".join(f"- **{key}**: {policy}" for key, policy in manifest.policies.items()),
        content_id=manifest.content_id,
    )
    return str(ModelCard(f"---\n{_metadata(manifest)}\n---\n\n{text}"))


def _metadata(manifest: Manifest) -> str:
    """Return what the hub reads: the parents that it has, what was made of them, and the licence if they share one."""
    from huggingface_hub import ModelCardData

    relation = "merge" if manifest.kind == "merged" else "finetune"
    sources = [split_source(parent.source) for parent in manifest.parents]
    hub = [place[0] for place in sources if isinstance(place, tuple)]
    licences = {parent.licence for parent in manifest.parents if parent.licence}
    data = ModelCardData(
        library_name="transformers",
        tags=[relation, manifest.recipe["method"]],
        base_model=hub or None,
        base_model_relation=relation if hub else None,
        license=licences.pop().lower() if len(licences) == 1 else None,
    )
    return data.to_yaml()


def _parents_table(manifest: Manifest) -> str:
    rows = [
        f"| {parent.used_as} | {parent.source} | {parent.licence or 'not stated'} | {(parent.content_id or '')[:16]} |"
        for parent in manifest.parents
    ]
    return "\n".join(["| used as | model | licence | content_id |", "|---|---|---|---|", *rows])
