"""Access tokens never reach a log or a terminal, whoever prints them: a server may send one back in its error."""

import os
from pathlib import Path
from typing import Any, TextIO

NAMES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
SHORTEST = 8  # a shorter word is no token, and would be found everywhere
HIDDEN = "(access token)"


def known_tokens() -> list[str]:
    """Return the hub's access tokens of this process: of the environment, and of who has logged in."""
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    file = Path(os.environ.get("HF_TOKEN_PATH", home / "token"))
    try:
        stored = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        stored = ""
    tokens = {token.strip() for token in (*map(os.environ.get, NAMES), stored) if token}
    return sorted((token for token in tokens if len(token) >= SHORTEST), key=len, reverse=True)


def without_tokens(text: str) -> str:
    """Return a text with every known token hidden."""
    for token in known_tokens():
        text = text.replace(token, HIDDEN)
    return text


class Hiding:
    """A text stream that hides tokens in what is written to it, and is the wrapped stream in everything else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._tokens = stream, known_tokens()

    def write(self, text: str) -> int:
        """Write a text with every token hidden; return how many characters were given."""
        shown = text
        for token in self._tokens:
            shown = shown.replace(token, HIDDEN)
        self._stream.write(shown)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write lines likewise."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
