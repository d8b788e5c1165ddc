"""What decoding needs to know of a model before its weights are loaded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from l2s.checkpoints.manifest import GET_AGAIN
from l2s.checkpoints.tokenizer import load_tokenizer
from l2s.decoding.settings import DecodingEntry
from l2s.errors import UserError
from l2s.files import read_json


@dataclass(frozen=True)
class Model:
    """What a session knows of a model.

    Attributes:
        tokenizer: The checkpoint's own tokenizer, from transformers.
        stop_ids: Tokens that end a response: the generation config's and the tokenizer's; a prompt may add more.
        context_length: Prompt and response together, in tokens.
    """

    tokenizer: Any
    stop_ids: frozenset[int]
    context_length: int


def read_model(folder: Path, settings: DecodingEntry) -> Model:
    """Read tokenizer, stop tokens and context length from a checkpoint's small files.

    Raises:
        UserError: A file is missing or the context length asked for is larger than the model's.
    """
    config = read_json(folder / "config.json", GET_AGAIN)
    longest = config.get("max_position_embeddings")
    if longest is not None and (not isinstance(longest, int) or longest < 1):
        raise UserError(
            f"{folder / 'config.json'}: 'max_position_embeddings' must be a number above 0 (found {longest!r})"
        )
    if longest is None and settings.context_length is None:
        raise UserError(
            f"{folder / 'config.json'}: no 'max_position_embeddings'; set 'context_length' in the decode settings"
        )
    if settings.context_length and longest and settings.context_length > longest:
        raise UserError(
            f"decode settings ask for a context length of {settings.context_length}, but {folder} has {longest}"
        )
    tokenizer = load_tokenizer(folder)
    generation = folder / "generation_config.json"
    file = generation if generation.is_file() else folder / "config.json"
    listed = read_json(file, GET_AGAIN).get("eos_token_id")
    listed = listed if isinstance(listed, list) else [listed]
    if wrong := [one for one in listed if one is not None and (not isinstance(one, int) or one < 0)]:
        raise UserError(
            f"{file}: 'eos_token_id' must be token ids, numbers from 0 on (found {wrong[0]!r}); {GET_AGAIN}"
        )
    stop_ids = {*listed, tokenizer.eos_token_id} - {None}
    if not stop_ids:
        raise UserError(f"{folder}: neither generation config nor tokenizer names an end-of-sequence token")
    return Model(tokenizer, frozenset(stop_ids), settings.context_length or longest)
