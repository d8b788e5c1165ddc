"""What a merge will read and write, decided from headers and small files before any tensor is read.

Every difference between the models has a named policy, kept in ``MergePlan.policies`` and written into the manifest:
a merged model that silently took over the base's context length or dropped an untied output layer would look whole and
be wrong.

``fidelity: released`` does what the paper's released code does instead, so that the two can be compared: the result has
the first model's config, and with it its context length; where that model's embeddings are tied, the other models'
output layers are dropped; and for methods that are ``released_in_bfloat16``, vectors are bfloat16 and operations round
to it wherever they do there.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from l2s.checkpoints.headers import TensorPlace, read_headers
from l2s.checkpoints.manifest import CONFIG_FILES, GET_AGAIN
from l2s.checkpoints.preflight import compare, tokenizer_entries
from l2s.checkpoints.tensor_names import EMBEDDING, HEAD
from l2s.checkpoints.tensors import Planned
from l2s.contracts.calibrations import Calibration
from l2s.errors import UserError
from l2s.files import read_json
from l2s.merging.engine.recipe import Inputs, Recipe

SAFETENSORS_DTYPE = {"bfloat16": "BF16", "float32": "F32"}
# Not visible in the tensors' shapes, and fatal if they differ.
SAME_IN_ALL = ("model_type", "num_attention_heads", "num_key_value_heads", "hidden_act")
# Of the topics of a preflight, those that neither tensors nor config.json show.
NOT_IN_CONFIG = (
    "dtypes", "tokenizer entries", "special tokens", "chat template", "generation config", "related to the first",
)  # fmt: skip
VOCABULARY = "vocabulary rows"
TOKEN_ID_KEYS = ("bos_token_id", "eos_token_id", "pad_token_id")
NOT_COMPARED = {"_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype", "use_cache"}


@dataclass(frozen=True)
class Source:
    """A model that is merged: its label in messages, folder, config, and where each tensor of the merge lies in it."""

    label: str
    folder: Path
    config: Mapping[str, Any]
    places: Mapping[str, TensorPlace]


@dataclass(frozen=True)
class MergePlan:
    """Sources (the base first, if there is one), output tensors, config of the result, policies, and what the method
    made of its calibrations."""

    recipe: Recipe
    sources: tuple[Source, ...]
    outputs: Mapping[str, Planned]
    config: Mapping[str, Any]
    policies: Mapping[str, str]
    prepared: Any = None

    @property
    def tokenizer_source(self) -> Source:
        """The model whose tokenizer the result has."""
        return _side(self.sources, self.recipe.inputs)

    def write_config_files(self, folder: Path) -> None:
        """Write config, tokenizer and generation config of the result."""
        for name in CONFIG_FILES:
            file = self.tokenizer_source.folder / name
            if file.is_file():
                shutil.copyfile(file, folder / name)
        (folder / "config.json").write_text(json.dumps(dict(self.config), indent=2, sort_keys=True) + "\n")


def plan_merge(
    recipe: Recipe, base: Path | None, models: list[Path], calibrations: Mapping[str, Calibration] | None = None
) -> MergePlan:
    """Compare the models and decide what the merge writes.

    Args:
        recipe: The recipe.
        base: The base's folder, None for methods without a base.
        models: The models' folders, in the recipe's order.
        calibrations: What the method reads, by its names.

    Raises:
        UserError: Files are missing or damaged, or the models cannot be merged; names the tensor or key.
    """
    policies: dict[str, str] = {}
    sources = read_sources(base, models, policies, recipe.released)
    shapes = {name: place.shape for name, place in sources[-1].places.items()}
    recipe.method.check_tensors(shapes)
    config = _merge_configs(sources, recipe, policies)
    if VOCABULARY in policies:
        _check_vocabulary(sources, recipe.inputs)
        config["vocab_size"] = shapes[EMBEDDING][0]
        policies.pop("config.vocab_size", None)
    policies["tokenizer"] = recipe.inputs.tokenizer
    for finding in compare([source.folder for source in sources]):
        if finding.topic in NOT_IN_CONFIG and finding.differs:
            policies[finding.topic] = f"{finding.policy} ({'; '.join(finding.values)})"
    dtype = SAFETENSORS_DTYPE[recipe.inputs.dtype]
    outputs = {name: Planned(dtype, shape) for name, shape in shapes.items()}
    prepared = recipe.method.prepare(calibrations or {}, shapes)
    return MergePlan(recipe, tuple(sources), outputs, config, policies, prepared)


def read_sources(
    base: Path | None, models: list[Path], policies: dict[str, str], released: bool = False
) -> list[Source]:
    """Return the base, if there is one, and the models, all with tensors of the same names and shapes.

    Args:
        base: The base's folder, or None.
        models: The models' folders.
        policies: What was done about tied output layers is added to these.
        released: Whether to do as the paper's released code about them.

    Raises:
        UserError: Files are missing or damaged, or the tensors differ; names the tensor.
    """
    labelled = [("base", base)] if base is not None else []
    labelled += [(f"model {number}", folder) for number, folder in enumerate(models, start=1)]
    sources = [
        Source(label, folder, read_json(folder / "config.json", GET_AGAIN), read_headers(folder))
        for label, folder in labelled
    ]
    sources = _drop_heads(sources, policies) if released else _untie(sources, policies)
    sources = _cut_vocabulary(sources, policies)
    _check_tensors(sources)
    return sources


def _untie(sources: list[Source], policies: dict[str, str]) -> list[Source]:
    """Where only some models have an output layer of their own, let the embedding stand in for it in the others."""
    tied = [source for source in sources if HEAD not in source.places]
    if not tied or len(tied) == len(sources):
        return sources
    policies["lm_head"] = f"untied; the embedding stands in for it in {', '.join(s.label for s in tied)}"
    return [
        replace(source, places={**source.places, HEAD: source.places[EMBEDDING]}) if source in tied else source
        for source in sources
    ]


def _drop_heads(sources: list[Source], policies: dict[str, str]) -> list[Source]:
    """Where the first model has no output layer of its own, leave it out of the others, as the released code does."""
    if HEAD in sources[0].places or all(HEAD not in source.places for source in sources):
        return sources
    policies["lm_head"] = f"dropped: the {sources[0].label} has none"
    return [
        replace(source, places={name: place for name, place in source.places.items() if name != HEAD})
        for source in sources
    ]


def _cut_vocabulary(sources: list[Source], policies: dict[str, str]) -> list[Source]:
    """Where vocabularies differ in their number of rows, leave out what not all models have: the last rows."""
    ends = [[source.places[name] for name in (EMBEDDING, HEAD) if name in source.places] for source in sources]
    rows = [{place.shape[0] for place in places} for places in ends]
    # A model whose own two differ is damaged, which the comparison of shapes will tell.
    if any(len(own) != 1 for own in rows) or len(set().union(*rows)) == 1:
        return sources
    counts = [own.pop() for own in rows]
    least = min(counts)
    shown = ", ".join(f"{count} in {source.label}" for source, count in zip(sources, counts, strict=True))
    policies[VOCABULARY] = f"the first {least} rows ({shown})"
    return [
        replace(
            source,
            places={
                name: place.first_rows(least) if name in (EMBEDDING, HEAD) else place
                for name, place in source.places.items()
            },
        )
        for source in sources
    ]


def _check_vocabulary(sources: list[Source], inputs: Inputs) -> None:
    """Refuse a tokenizer with tokens that the result has no rows for; a side without one must lose no row."""
    side = _side(sources, inputs)
    rows, own = side.places[EMBEDDING].shape[0], side.config.get("vocab_size")
    entries, _ = tokenizer_entries(side.folder)
    needed = max(entries.values()) + 1 if entries else own
    if needed is not None and needed > rows:
        raise UserError(
            f"the tokenizer of the {side.label} ({side.folder}) needs {needed} rows of the vocabulary, and only {rows} "
            "are in all models; set 'tokenizer' to the other side, or give the models vocabularies of one size"
        )


def _check_tensors(sources: list[Source]) -> None:
    first, *others = sources
    for other in others:
        for name in sorted(first.places.keys() ^ other.places.keys()):
            has, lacks = (first, other) if name in first.places else (other, first)
            raise UserError(
                f"tensor '{name}' is in the {has.label} ({has.folder}) but not in the {lacks.label} ({lacks.folder}); "
                "only models of one architecture can be merged"
            )
        for name, place in first.places.items():
            if place.shape != other.places[name].shape:
                raise UserError(
                    f"tensor '{name}' has shape {place.shape} in the {first.label} ({first.folder}) and "
                    f"{other.places[name].shape} in the {other.label} ({other.folder}); only models of equal shapes "
                    "can be merged"
                )


def _merge_configs(sources: list[Source], recipe: Recipe, policies: dict[str, str]) -> dict[str, Any]:
    """Take the slow model's config (the base's context length may be shorter), token ids from the tokenizer's side."""
    slow, chosen = sources[-1], "quick" if recipe.released else "slow"
    for source in sources[:-1]:
        for key in sorted(source.config.keys() | slow.config.keys()):
            ours, theirs = source.config.get(key), slow.config.get(key)
            if ours == theirs or key in NOT_COMPARED:
                continue
            if key in SAME_IN_ALL:
                raise UserError(
                    f"{source.folder / 'config.json'}: '{key}' is {ours!r}, but {theirs!r} in {slow.folder}; "
                    "only models of one architecture can be merged"
                )
            side = recipe.inputs.tokenizer if key in TOKEN_ID_KEYS else chosen
            policies[f"config.{key}"] = f"{side}: {theirs!r} in {slow.label}, {ours!r} in {source.label}"
    config = dict(sources[0].config if recipe.released else slow.config)
    side = _side(sources, recipe.inputs)
    for key in TOKEN_ID_KEYS:
        config.pop(key, None)  # one that only the other side's config has is an id of the other side's tokenizer
        if key in side.config:
            config[key] = side.config[key]
    config["tie_word_embeddings"] = HEAD not in slow.places
    config.pop("torch_dtype", None)
    config["dtype"] = recipe.inputs.dtype
    return config


def _side(sources: tuple[Source, ...] | list[Source], inputs: Inputs) -> Source:
    return sources[0] if inputs.tokenizer == "quick" else sources[-1]
