"""What the model cards of merged and trained checkpoints have in common; the format is the Hugging Face hub's."""

from __future__ import annotations

import yaml

from l2s.checkpoints.manifest import Manifest
from l2s.checkpoints.model_entry import split_source

CARD_NAME = "README.md"


def card_head(manifest: Manifest, relation: str) -> str:
    """Return the card's metadata.

    Args:
        manifest: The checkpoint's.
        relation: What the hub calls its relation to the parents: ``merge`` or ``finetune``.
    """
    sources = [split_source(parent.source) for parent in manifest.parents]
    hub = [place[0] for place in sources if isinstance(place, tuple)]
    licences = {parent.licence for parent in manifest.parents if parent.licence}
    head = {
        "library_name": "transformers",
        "tags": [relation, manifest.recipe["method"]],
        **({"base_model": hub, "base_model_relation": relation} if hub else {}),
        **({"license": licences.pop().lower()} if len(licences) == 1 else {}),
    }
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n"


def parents_table(manifest: Manifest) -> str:
    """Return the parents as a Markdown table."""
    rows = [
        f"| {parent.used_as} | {parent.source} | {parent.licence or 'not stated'} | {(parent.content_id or '')[:16]} |"
        for parent in manifest.parents
    ]
    return "\n".join(["| used as | model | licence | content_id |", "|---|---|---|---|", *rows])
