"""What ends a response: stop tokens and stop strings.

A stop string ends a response with the first token after which the response's text, special tokens left out, holds it.
``output_ids`` keep the tokens that spell it, as they keep a stop token; ``text`` is cut before it. A string that is a
token of its own in the tokenizer (``<|im_end|>`` in Qwen's, not in DeepSeek's) is a stop token there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

# Where a token splits a character, or the decoder strips a space, the first characters of a part may differ.
GARBLED = 4


@dataclass(frozen=True)
class Stops:
    """What ends a checkpoint's responses.

    Attributes:
        ids: Tokens that do.
        strings: Strings that do.
        tokenizer: The checkpoint's own, which spells its tokens.
    """

    ids: frozenset[int]
    strings: tuple[str, ...]
    tokenizer: Any

    @classmethod
    def of(cls, tokenizer: Any, own_ids: Iterable[int], strings: Iterable[str]) -> "Stops":
        """Add a prompt's stop strings, and the tokens that they are, to the tokens that a checkpoint stops at."""
        strings = tuple(strings)
        added = tokenizer.get_added_vocab()
        return cls(frozenset({*own_ids, *(added[text] for text in strings if text in added)}), strings, tokenizer)

    def text(self, output_ids: Sequence[int]) -> str:
        """Return a response's text: special tokens left out, cut before the first stop string."""
        text = self.spell(output_ids)
        return text[: min((text.index(stop) for stop in self.strings if stop in text), default=None)]

    def spell(self, ids: Sequence[int], special: bool = False) -> str:
        """Return the text of token ids, with or without special tokens."""
        return self.tokenizer.backend_tokenizer.decode(list(ids), skip_special_tokens=not special)


class Watch:
    """Watches one response grow and says when it ends.

    It spells only the last tokens again: enough of them to hold any stop string that is not complete yet.
    """

    def __init__(self, stops: Stops) -> None:
        self.stops = stops
        self.ended = False
        self._tail: list[int] = []
        self._reach = max(map(len, stops.strings), default=0) + GARBLED

    def sees(self, token: int) -> None:
        """Take the next token; ``ended`` says then whether the response ends with it."""
        self.ended = token in self.stops.ids or self._completes_a_string(token)

    def _completes_a_string(self, token: int) -> bool:
        if not self.stops.strings:
            return False
        self._tail.append(token)
        text = self.stops.spell(self._tail)
        if len(text) > 2 * self._reach:
            half = self._tail[len(self._tail) // 2 :]
            if len(self.stops.spell(half)) >= self._reach:
                self._tail = half
        return any(stop in text for stop in self.stops.strings)
