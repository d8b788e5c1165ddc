"""The model card of a merged checkpoint, in the format of the Hugging Face hub."""

from __future__ import annotations

import yaml

from l2s.checkpoints.entries import split_source
from l2s.checkpoints.manifest import Manifest

CARD_NAME = "README.md"
TEXT = """\
# {name}

Made by merging, without training: method `{method}`.

| role | model | licence | content_id |
|---|---|---|---|
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


def model_card(manifest: Manifest, name: str) -> str:
    """Return the card's text: metadata as YAML, then recipe, parents, policies, and how to reproduce it.

    Args:
        manifest: The merged checkpoint's.
        name: What to call it.
    """
    sources = [split_source(parent.source) for parent in manifest.parents]
    hub = [place[0] for place in sources if isinstance(place, tuple)]
    licences = {parent.licence for parent in manifest.parents if parent.licence}
    head = {
        "library_name": "transformers",
        "tags": ["merge", manifest.recipe["method"]],
        **({"base_model": hub, "base_model_relation": "merge"} if hub else {}),
        **({"license": licences.pop().lower()} if len(licences) == 1 else {}),
    }
    rows = [
        f"| {parent.role} | {parent.source} | {parent.licence or 'not stated'} | {(parent.content_id or '')[:16]} |"
        for parent in manifest.parents
    ]
    policies = [f"- **{key}**: {policy}" for key, policy in manifest.policies.items()]
    body = TEXT.format(
        name=name,
        method=manifest.recipe["method"],
        parents="\n".join(rows),
        recipe=yaml.safe_dump(manifest.recipe, sort_keys=False),
        policies="\n".join(policies),
        content_id=manifest.content_id,
    )
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n{body}"
