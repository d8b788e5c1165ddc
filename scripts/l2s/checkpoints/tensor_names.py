"""Names of tensors in the hub's checkpoints of decoder-only models."""

import re

EMBEDDING = "model.embed_tokens.weight"
HEAD = "lm_head.weight"
DOWN = "model.layers.{}.mlp.down_proj.weight"
LAYER = re.compile(r"\.layers\.(\d+)\.")


def module_of(tensor: str) -> str:
    """Return the kind of module that a weight belongs to: ``q_proj``, ``down_proj``, ``embed_tokens``, ``lm_head``."""
    return tensor.removesuffix(".weight").rpartition(".")[2]


def layer_of(tensor: str) -> int | None:
    """Return the number of the decoder layer that a tensor belongs to, None outside the layers."""
    found = LAYER.search(tensor)
    return int(found.group(1)) if found else None
