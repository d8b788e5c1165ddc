"""Length: how many tokens a response has, counted in one of two ways.

- ``generated``: the tokens that came out, a stop token or the tokens of a stop string included.
- ``retokenized``: as the paper's authors count: the tokens of the stripped text, tokenized again.

ASSUME(length): the paper's tables show ``retokenized``, as its released code counts.
"""

from typing import Literal

Length = Literal["generated", "retokenized"]

COLUMNS: dict[Length, str] = {"generated": "output_tokens", "retokenized": "retokenized"}
NOTES: dict[Length, str] = {
    "generated": "as generated, a stop token or stop string included",
    "retokenized": "counted as the authors do: the stripped text, tokenized again by the model's own tokenizer, with a "
    "begin-of-sequence token where that adds one",
}
