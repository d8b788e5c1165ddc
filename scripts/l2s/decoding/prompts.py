"""Prompts: from a question to the token ids that a model is given.

The checkpoint's own tokenizer renders and encodes. What it writes is taken to the letter: nothing is stripped or added
but what the entry says.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from l2s.checkpoints.tokenizer import adds_begin
from l2s.decoding.settings import PromptEntry
from l2s.errors import UserError, first_line
from l2s.limits import time_limit

PLACES = re.compile(r"\{(question|answer)\}")
# Of a long prompt, so many token ids and characters of its beginning and of its end are described.
IDS, CHARACTERS = 12, 80
LONGEST_RENDERING = 10.0  # seconds that a chat template may take: it can hold loops within loops


class Example(NamedTuple):
    """A worked example."""

    question: str
    answer: str


class Prompt:
    """A prompt entry in the hands of one checkpoint's tokenizer.

    Args:
        entry: The prompt's entry.
        tokenizer: The checkpoint's own, from ``load_tokenizer``.
        examples: The examples of each benchmark, if the entry has ``few_shot``.

    Raises:
        UserError: The tokenizer has no chat template, or a benchmark has fewer examples than the entry's ``count``.
    """

    def __init__(
        self, entry: PromptEntry, tokenizer: Any, examples: Mapping[str, Sequence[Example]] | None = None
    ) -> None:
        self.entry, self.tokenizer = entry, tokenizer
        self._begin_needed = adds_begin(tokenizer)
        self._numbers: dict[int, int] = {}  # each token id once: prompts may be a million, and an int takes 28 bytes
        if entry.chat and not tokenizer.chat_template:
            raise UserError(
                f"{tokenizer.name_or_path}: the tokenizer has no chat template, which the prompt's key 'chat' needs; "
                "use a prompt with 'template', or merge with the tokenizer of a model that has one"
            )
        self._shown = {name: self._join(name, examples) for name, examples in (examples or {}).items()}

    def text(self, benchmark: str, question: str) -> str:
        """Return the prompt's text for a benchmark's question; braces in the question stay as they are.

        Raises:
            UserError: The chat template refuses the messages.
        """
        if self.entry.chat:
            return self._chat(question)
        asked = _fill(self.entry.template, question=question)
        return self._shown[benchmark] + asked if self.entry.few_shot else asked

    def ids(self, text: str) -> tuple[int, ...]:
        """Return the token ids of a prompt's text.

        Raises:
            UserError: The prompt and the tokenizer do not fit: the ids begin with two begin-of-sequence tokens, or with
                none where the tokenizer's files ask for one.
        """
        ids = self.tokenizer.encode(
            text,
            add_special_tokens=self.entry.add_special_tokens,
            split_special_tokens=not self.entry.parse_special_tokens,
        )
        first = self.tokenizer.bos_token_id
        if first is not None and ids[:2] == [first, first]:
            raise UserError(
                f"the prompt begins with {self.tokenizer.bos_token} and the tokenizer adds another one; "
                "set the prompt's 'add_special_tokens' to false"
            )
        if self._begin_needed and ids[:1] != [first]:
            written = text.startswith(self.tokenizer.bos_token)
            raise UserError(
                f"{self.tokenizer.name_or_path}: texts are to begin with {self.tokenizer.bos_token} (see "
                "'add_bos_token' in tokenizer_config.json), and the prompt's token ids do not; set the prompt's "
                f"'{'parse_special_tokens' if written else 'add_special_tokens'}' to true"
            )
        return tuple(self._numbers.setdefault(number, number) for number in ids)

    def describe(self, benchmark: str, question: str) -> str:
        """Return two lines about the prompt of a benchmark's question: its token ids, and its text on one line.

        Raises:
            UserError: As for ``text`` and ``ids``.
        """
        text = self.text(benchmark, question)
        ids = [str(number) for number in self.ids(text)]
        shown = ids if len(ids) <= 2 * IDS else [*ids[:IDS], "…", *ids[-IDS:]]
        spelt = text if len(text) <= 2 * CHARACTERS else f"{text[:CHARACTERS]} … {text[-CHARACTERS:]}"
        return f"first prompt, {len(ids):,} tokens: {' '.join(shown)}\nfirst prompt, its text: {spelt!r}"

    def _join(self, benchmark: str, examples: Sequence[Example]) -> str:
        few_shot = self.entry.few_shot
        if few_shot.count and few_shot.count > len(examples):
            raise UserError(
                f"the prompt asks for {few_shot.count} examples, and the set of benchmark '{benchmark}' has "
                f"{len(examples)}; lower 'few_shot.count'"
            )
        return "".join(
            _fill(few_shot.template, question=example.question, answer=example.answer) + few_shot.separator
            for example in examples[: few_shot.count]
        )

    def _chat(self, question: str) -> str:
        messages = [{"role": "user", "content": _fill(self.entry.chat.user, question=question)}]
        if self.entry.chat.system is not None:
            messages.insert(0, {"role": "system", "content": self.entry.chat.system})
        try:
            with time_limit(LONGEST_RENDERING):
                return self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except Exception as error:  # a template comes from outside, and may fail in any way
            raise UserError(
                f"{self.tokenizer.name_or_path}: the chat template refuses the prompt: {first_line(error)}; use a "
                "prompt with 'template', or correct the model's chat template"
            ) from error


def _fill(template: str, **values: str) -> str:
    """Put values into their places at one go, so that a place's name inside a value stays text."""
    return PLACES.sub(lambda place: values.get(place[1], place[0]), template)
