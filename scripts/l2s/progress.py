"""Progress of long steps as plain lines (they go into log files): share done, rates, time left."""

import time
from collections.abc import Callable

SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """Counts work done and prints a line now and then.

    Args:
        what: What the line starts with, e.g. ``merge``.
        total: Amount of work, in ``unit``.
        unit: What is counted, e.g. ``responses``.
        say: Where lines go.
    """

    def __init__(self, what: str, total: float, unit: str, say: Callable[[str], None] = print) -> None:
        self.what, self.total, self.unit, self.say = what, total, unit, say
        self.done = 0.0
        self.started = self.last_line = time.monotonic()

    def add(self, amount: float) -> None:
        """Count ``amount`` more, and print a line if the last one is old enough or the work is complete."""
        self.done += amount
        now = time.monotonic()
        complete = self.done >= self.total
        if not complete and now - self.last_line < SECONDS_BETWEEN_LINES:
            return
        self.last_line = now
        elapsed = max(now - self.started, 1e-9)
        rate = self.done / elapsed
        tail = f"in {clock(elapsed)}" if complete else f"{clock((self.total - self.done) / max(rate, 1e-9))} left"
        share = self.done / self.total if self.total else 1.0
        self.say(f"{self.what}: {share:4.0%} of {self.total:,.0f} {self.unit}, {rate:,.1f} {self.unit}/s, {tail}")


def clock(seconds: float) -> str:
    """Write a duration the way people read it: ``4.2 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
