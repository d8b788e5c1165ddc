"""The model card of a merged checkpoint."""

from __future__ import annotations

import yaml

from l2s.checkpoints.card import card_head, parents_table
from l2s.checkpoints.manifest import Manifest

TEXT = """\
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


def model_card(manifest: Manifest, name: str) -> str:
    """Return the card's text: metadata as YAML, then recipe, parents, policies, and how to reproduce it.

    Args:
        manifest: The merged checkpoint's.
        name: What to call it.
    """
    policies = [f"- **{key}**: {policy}" for key, policy in manifest.policies.items()]
    return card_head(manifest, "merge") + TEXT.format(
        name=name,
        method=manifest.recipe["method"],
        parents=parents_table(manifest),
        recipe=yaml.safe_dump(manifest.recipe, sort_keys=False),
        policies="\n".join(policies),
        content_id=manifest.content_id,
    )
