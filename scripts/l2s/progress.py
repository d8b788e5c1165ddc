"""Progress of long steps as plain lines (they go into log files): share done, rates, time left."""

import time
from collections.abc import Callable

SECONDS_BETWEEN_LINES = 5.0
ALL = 1 - 1e-9
"""Of the total: sums of fractions may end a rounding short of it."""


class Progress:
    """Counts work done and prints a line now and then.

    Args:
        what: What the line starts with, e.g. ``merge``.
        total: Amount of work, in ``unit``.
        unit: What is counted, e.g. ``responses``.
        say: Where lines go.
        effort: What the whole is expected to take, where some units take longer than others; the share done and the
            time left go by it.
    """

    def __init__(
        self, what: str, total: float, unit: str, say: Callable[[str], None] = print, effort: float | None = None
    ) -> None:
        self.what, self.total, self.unit, self.say = what, total, unit, say
        self.effort = total if effort is None else effort
        self.done = self.spent = 0.0
        self.started = self.last_line = time.monotonic()

    def add(self, amount: float, effort: float | None = None) -> None:
        """Count ``amount`` more, and print a line if the last one is old enough or the work is complete.

        ``effort`` is what it was expected to take; the amount itself where nothing else is said.
        """
        self.done += amount
        self.spent += amount if effort is None else effort
        now = time.monotonic()
        complete = self.done >= self.total * ALL
        if not complete and now - self.last_line < SECONDS_BETWEEN_LINES:
            return
        self.last_line = now
        elapsed = max(now - self.started, 1e-9)
        rate = self.done / elapsed
        share = 1.0 if complete else self.spent / self.effort
        tail = f"in {clock(elapsed)}" if complete else f"{clock(elapsed * (1 / max(share, 1e-9) - 1))} left"
        self.say(f"{self.what}: {share:4.0%} of {self.total:,.0f} {self.unit}, {rate:,.1f} {self.unit}/s, {tail}")


def clock(seconds: float) -> str:
    """Write a duration the way people read it: ``4.2 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
