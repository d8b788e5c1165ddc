"""Progress of decoding by token, as plain lines: a response alone may take minutes."""

import time
from collections.abc import Callable

from l2s.progress import SECONDS_BETWEEN_LINES, clock


class DecodeProgress:
    """Counts tokens and responses that have ended, and prints a line now and then.

    Args:
        responses: How many are to be decoded.
        most_tokens: How many tokens they may have together.
        say: Where lines go.
    """

    def __init__(self, responses: int, most_tokens: int, say: Callable[[str], None] = print) -> None:
        self.responses, self.most_tokens, self.say = responses, most_tokens, say
        self.tokens = self.ended = 0
        self.started = self.last_line = time.monotonic()

    def heard(self, tokens: int, ended: int) -> None:
        """Count tokens just generated and responses that ended with them, and print a line every few seconds."""
        self.tokens += tokens
        self.ended += ended
        now = time.monotonic()
        if now - self.last_line >= SECONDS_BETWEEN_LINES and self.ended < self.responses:
            self.last_line = now
            self.say(f"{self._so_far(now)}, {self._left(now)} left")

    def finish(self) -> None:
        """Print the last line."""
        now = time.monotonic()
        self.say(f"{self._so_far(now)}, in {clock(now - self.started)}")

    def _so_far(self, now: float) -> str:
        rate = self.tokens / max(now - self.started, 1e-9)
        responses = f"{self.ended:,} of {self.responses:,} responses ({self.ended / self.responses:.0%})"
        return f"decode: {responses}, {self.tokens:,} tokens, {rate:,.0f} tokens/s"

    def _left(self, now: float) -> str:
        """Return how long the rest takes if it is as long as what has ended, which no budget lets it exceed."""
        rate = max(self.tokens, 1) / max(now - self.started, 1e-9)
        most = (self.most_tokens - self.tokens) / rate
        if not self.ended:
            return f"at most {clock(most)}"
        return clock(min((self.responses - self.ended) * self.tokens / self.ended / rate, most))
