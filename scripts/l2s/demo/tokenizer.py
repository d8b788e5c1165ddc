"""The demo's tokenizer: the words of its questions and answers are one token each, any other text is bytes.

The text comes back exactly, up to the composition of characters (NFC) that all Qwen2 tokenizers do.
"""

from tokenizers import AddedToken
from tokenizers.pre_tokenizers import ByteLevel
from transformers import Qwen2Tokenizer

END_OF_TEXT = "<|endoftext|>"
CONTEXT_TOKENS = 2048
WORDS = [
    "Question",
    "Answer",
    " From",
    " left",
    " to",
    " right",
    " modulo",
    " Wait",
    " let",
    " me",
    " double-check",
    " The",
    " answer",
    " is",
    " \\boxed{",
]


def build_tokenizer() -> Qwen2Tokenizer:
    """Build a byte-level tokenizer of 256 bytes, the end-of-text token and the task's words, without merges.

    The words are added tokens, since transformers loads the tokenizer of any Qwen2 model as this class, which sets its
    own splitting of words and normalization (NFC) whatever the files say.
    """
    symbols = [END_OF_TEXT, *sorted(ByteLevel.alphabet())]
    tokenizer = Qwen2Tokenizer(
        vocab={symbol: index for index, symbol in enumerate(symbols)},
        merges=[],
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        model_max_length=CONTEXT_TOKENS,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.add_tokens([AddedToken(word, normalized=False) for word in WORDS])
    return tokenizer
