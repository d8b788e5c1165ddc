"""The model card of a trained checkpoint."""

from __future__ import annotations

import yaml

from l2s.checkpoints.card import card_head, parents_table
from l2s.checkpoints.manifest import Manifest

TEXT = """\
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
    """Return the card's text.

    Args:
        manifest: The trained checkpoint's.
        name: What to call it.
    """
    return card_head(manifest, "finetune") + TEXT.format(
        name=name,
        method=manifest.recipe["method"],
        parents=parents_table(manifest),
        recipe=yaml.safe_dump(manifest.recipe, sort_keys=False, allow_unicode=True),
        content_id=manifest.content_id,
    )
