"""Whether a model's weights are all that its config asks for, no more and no less.

transformers draws random numbers for a tensor that is missing and leaves out one that it does not know, and says so in
a log that nobody reads: the model answers all the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from l2s.checkpoints.headers import TensorPlace
from l2s.checkpoints.manifest import TensorRecord
from l2s.checkpoints.tensor_names import EMBEDDING, HEAD, LAYER, layer_of
from l2s.errors import UserError, first_line

if TYPE_CHECKING:
    from transformers import PreTrainedModel

REMEDY = "restore the model's files, or correct config.json"
SHOWN = 3
# What transformers says of loading, and what it means.
FAULTS = {
    "missing_keys": "are in none of the weights, and would be random numbers",
    "unexpected_keys": "are in the weights, and would be left out",
    "mismatched_keys": "have other shapes in the weights, and would be random numbers",
}


def load_whole(folder: Path, dtype: str, **placement: Any) -> PreTrainedModel:
    """Load a causal language model by transformers, every weight of it from the folder's files.

    Args:
        folder: The model's files.
        dtype: torch's name of the dtype to load it in.
        placement: What else transformers is told, e.g. ``device_map="meta"``, which reads headers only.

    Raises:
        UserError: It does not load, asks for code of its own, lacks tensors, or has tensors that it does not use.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    own_files = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(folder, **own_files)
        # Of transformers' attentions on a CPU only the eager one caps logits; the others leave it out and say nothing.
        capped = getattr(config.get_text_config(), "attn_logit_softcapping", None) is not None
        model, said = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            attn_implementation="eager" if capped else None,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are in what it says, and refused below
            **own_files,
            **placement,
        )
    except Exception as error:  # the library raises many kinds; each means that there is no model
        raise UserError(f"{folder}: transformers cannot load the model ({first_line(error)})") from error
    for kind, meaning in FAULTS.items():
        if said[kind]:
            names = sorted(name if isinstance(name, str) else name[0] for name in said[kind])
            raise UserError(f"{folder}: tensors of '{model.config.model_type}' {meaning}: {_some(names)}; {REMEDY}")
    return model


def check_whole(folder: Path) -> None:
    """Refuse a folder whose weights and config do not belong together; reads headers only, see ``load_whole``."""
    load_whole(folder, "float32", device_map="meta")


def check_layers(folder: Path, places: Mapping[str, TensorPlace], config: Mapping[str, Any]) -> None:
    """Refuse weights that have not the layers that the config says, or a layer or an end that lacks a tensor.

    Without transformers, so that fetching a model finds it, whichever engine will decode with it.

    Args:
        folder: The model's folder, for messages.
        places: Its tensors.
        config: What its config.json says.

    Raises:
        UserError: Names the key or a tensor.
    """
    file, said = folder / "config.json", config.get("num_hidden_layers")
    if said is None:
        return
    layers: dict[int, set[str]] = defaultdict(set)
    for name in places:
        if (number := layer_of(name)) is not None:
            layers[number].add(LAYER.sub(".layers.*.", name))
    if len(layers) != said or set(layers) != set(range(len(layers))):
        found = f"{len(layers)} layers" + (f", numbered {min(layers)} to {max(layers)}" if layers else "")
        raise UserError(f"{file}: key 'num_hidden_layers' is {said!r}, and the weights have {found}; {REMEDY}")
    # Layers of mixtures of experts may differ.
    whole = set().union(*layers.values()) if not any("expert" in key for key in config) else set()
    lacking = [name.replace("*", str(number)) for number in layers for name in sorted(whole - layers[number])]
    if lacking:
        raise UserError(f"{folder}: tensors are missing that other layers have: {_some(lacking)}; {REMEDY}")
    if HEAD not in places and config.get("tie_word_embeddings") is False:
        raise UserError(
            f"{file}: key 'tie_word_embeddings' is false, and the weights have no tensor '{HEAD}'; {REMEDY}"
        )


def check_tied(folder: Path, tensors: Mapping[str, TensorRecord], config: Mapping[str, Any]) -> None:
    """Refuse an output layer that the config says is the embedding, and that is another one: engines differ on it.

    Raises:
        UserError: Names the key.
    """
    if config.get("tie_word_embeddings") is True and HEAD in tensors and tensors[HEAD] != tensors.get(EMBEDDING):
        raise UserError(
            f"{folder / 'config.json'}: key 'tie_word_embeddings' is true, and the weights have a '{HEAD}' that is not "
            f"the embedding; {REMEDY}"
        )


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
