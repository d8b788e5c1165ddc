"""Which architectures calibration knows, told from a model's config.json before anything of it is loaded."""

from collections.abc import Mapping
from typing import Any

KNOWN = ("gemma", "gemma3_text", "llama", "mistral", "phi3", "qwen2", "qwen3")
"""Their decoder layers are alike and called alike, and no experts share a layer's work."""
CAPS = ("attn_logit_softcapping", "final_logit_softcapping")


def not_calibrated(config: Mapping[str, Any]) -> str | None:
    """Say why a model with this config.json cannot be calibrated; None: it can."""
    kind = config.get("model_type")
    if kind not in KNOWN:
        return f"calibration knows {', '.join(KNOWN)}, not {kind}"
    capped = next((key for key in CAPS if config.get(key) is not None), None)
    return f"calibration does not know the key '{capped}' of this {kind}" if capped else None
