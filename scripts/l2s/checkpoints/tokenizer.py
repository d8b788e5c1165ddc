"""Loading a checkpoint's tokenizer: the same way for decoding, calibration and training.

Which tokens a tokenizer adds to a text is said by ``add_bos_token`` and ``add_eos_token`` of tokenizer_config.json, or
by the tokenizer's class, or by the post-processor of tokenizer.json, in this order. transformers (5.19) reads the last
only, which in DeepSeek-R1's distills has no begin-of-sequence token, although these models were trained with one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from l2s.checkpoints.manifest import GET_AGAIN
from l2s.errors import UserError, first_line
from l2s.files import read_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# Whether a class adds the begin- and the end-of-sequence token where its configuration does not say; for other classes
# the post-processor counts.
ADDED_BY_CLASS = {"LlamaTokenizer": (True, False), "LlamaTokenizerFast": (True, False)}


def load_tokenizer(folder: Path, needs_end: bool = False) -> PreTrainedTokenizerFast:
    """Load a model folder's tokenizer, which adds to a text what the folder's files ask for.

    Raises:
        UserError: It or its configuration cannot be loaded, it is to add a token that it does not name, or, with
            ``needs_end``, it names no end-of-sequence token.
    """
    # Not AutoTokenizer: for some architectures it rebuilds the pre-tokenizer in place of the one in tokenizer.json.
    from transformers import PreTrainedTokenizerFast

    path = folder / "tokenizer_config.json"
    config = read_json(path, GET_AGAIN) if path.is_file() else {}
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the libraries raise many kinds; each means that there is no tokenizer
        raise UserError(f"{folder}: the tokenizer cannot be loaded ({first_line(error)}); {GET_AGAIN}") from error
    if needs_end and tokenizer.eos_token_id is None:
        raise UserError(f"{folder}: the tokenizer names no end-of-sequence token, which answers must end in")
    _add_what_is_asked(tokenizer, config, path)
    return tokenizer


def adds_begin(tokenizer: PreTrainedTokenizerFast) -> bool:
    """Say whether a tokenizer puts its begin-of-sequence token before a text."""
    return _adds(tokenizer)[0]


def _add_what_is_asked(tokenizer: PreTrainedTokenizerFast, config: dict[str, Any], path: Path) -> None:
    """Give the tokenizer a post-processor that adds what its configuration asks for, unless its own does."""
    from tokenizers import processors

    added = _adds(tokenizer)
    by_class = ADDED_BY_CLASS.get(config.get("tokenizer_class"), added)
    asked = {
        key: default if config.get(f"add_{key}") is None else config[f"add_{key}"]
        for key, default in zip(("bos_token", "eos_token"), by_class, strict=True)
    }
    if tuple(asked.values()) == added:
        return
    tokens = {key: getattr(tokenizer, key) for key in asked if asked[key]}
    for key, token in tokens.items():
        if token is None:
            raise UserError(f"{path}: a '{key}' is to be added, but none is named; name it or set 'add_{key}' to false")
    template = processors.TemplateProcessing(
        single=[piece for piece in (tokens.get("bos_token"), "$A", tokens.get("eos_token")) if piece],
        special_tokens=[(token, tokenizer.convert_tokens_to_ids(token)) for token in set(tokens.values())],
    )
    backend = tokenizer.backend_tokenizer
    # What adds nothing stays (it says where in the text a token begins and ends); what adds tokens gives way.
    kept = [backend.post_processor] if backend.post_processor and not any(added) else []
    backend.post_processor = processors.Sequence([*kept, template])


def _adds(tokenizer: PreTrainedTokenizerFast) -> tuple[bool, bool]:
    """Say whether a tokenizer adds its begin-of-sequence token before a text, and its end-of-sequence token behind."""
    text, whole = tokenizer.encode("1", add_special_tokens=False), tokenizer.encode("1")
    start = next(start for start in range(len(whole)) if whole[start : start + len(text)] == text)
    behind = whole[start + len(text) :]
    return start > 0 and whole[0] == tokenizer.bos_token_id, behind[-1:] == [tokenizer.eos_token_id]
