"""Loading a checkpoint's tokenizer: the same way for decoding, calibration and training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from l2s.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def load_tokenizer(folder: Path, needs_end: bool = False) -> PreTrainedTokenizerFast:
    """Load a model folder's tokenizer.

    Raises:
        UserError: It cannot be loaded, or, with ``needs_end``, it names no end-of-sequence token.
    """
    # Not AutoTokenizer: for some architectures it rebuilds the pre-tokenizer in place of the one in tokenizer.json.
    from transformers import PreTrainedTokenizerFast

    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: the tokenizer cannot be loaded ({str(error).splitlines()[0]})") from None
    if needs_end and tokenizer.eos_token_id is None:
        raise UserError(f"{folder}: the tokenizer names no end-of-sequence token, which answers must end in")
    return tokenizer
