"""What ends a response: stop tokens and stop strings.

A stop string ends a response with the first token after which the response's text, special tokens left out, holds it.
``output_ids`` keep the tokens that spell it, as they keep a stop token; ``text`` is cut before it. A string that is a
token of its own in the tokenizer (``<|im_end|>`` in Qwen's, not in DeepSeek's) is a stop token there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

# Where a token splits a character, or the decoder strips a space, the first characters of a part may differ.
GARBLED = 4
# What decoders write in place of bytes that are no whole character.
UNDECODABLE = "\N{REPLACEMENT CHARACTER}"
# A tail is shortened when it has so many tokens for each character that must stay.
TOKENS_A_CHARACTER = 4


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

    @cached_property
    def completing(self) -> Mapping[int, bool]:
        """By token, whether a stop string can become complete with it."""
        return _Completing(self)

    def text(self, output_ids: Sequence[int]) -> str:
        """Return a response's text: special tokens left out, cut before the first stop string."""
        text = self.spell(output_ids)
        return text[: min((text.index(stop) for stop in self.strings if stop in text), default=None)]

    def spell(self, ids: Sequence[int], special: bool = False) -> str:
        """Return the text of token ids, with or without special tokens."""
        return self.tokenizer.backend_tokenizer.decode(list(ids), skip_special_tokens=not special)


class Watch:
    """Watches one response grow and says when it ends.

    It spells only the last tokens again, enough of them to hold any stop string that is not complete yet, and only when
    a token comes that can complete one.
    """

    def __init__(self, stops: Stops) -> None:
        self.stops = stops
        self.ended = False
        self._tail: list[int] = []
        self._reach = max(map(len, stops.strings), default=0) + GARBLED
        self._longest = TOKENS_A_CHARACTER * self._reach

    def sees(self, token: int) -> None:
        """Take the next token; ``ended`` says then whether the response ends with it."""
        self.ended = token in self.stops.ids or (bool(self.stops.strings) and self._completes_a_string(token))

    def _completes_a_string(self, token: int) -> bool:
        self._tail.append(token)
        found = self.stops.completing[token] and any(
            stop in self.stops.spell(self._tail) for stop in self.stops.strings
        )
        if len(self._tail) >= self._longest:
            half = self._tail[len(self._tail) // 2 :]
            if len(self.stops.spell(half)) >= self._reach:
                self._tail = half
            else:  # special tokens spell nothing: look again when there are twice as many
                self._longest *= 2
        return found


class _Completing(dict[int, bool]):
    """By token, looked up once: whether a stop string can become complete with it.

    It can if the token spells the last character of one, or only a part of a character.
    """

    def __init__(self, stops: Stops) -> None:
        super().__init__()
        self._stops = stops
        self._last = {stop[-1] for stop in stops.strings}

    def __missing__(self, token: int) -> bool:
        # Twice, as decoders may strip the space before the first.
        text = self._stops.spell([token, token])
        self[token] = UNDECODABLE in text or not self._last.isdisjoint(text)
        return self[token]
