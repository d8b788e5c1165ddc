"""A line of progress gives the share done, the rates and the time left."""

from l2s import progress
from l2s.progress import Progress


def test_lines_give_share_rates_and_time_left(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    lines = []
    counting = Progress("decode", 40, "responses", say=lines.append)
    clock[0] += 1
    counting.add(4, tokens=100)  # too early for a line
    clock[0] += 9
    counting.add(6, tokens=900)
    clock[0] += 10
    counting.add(30, tokens=2000)
    assert lines == [
        "decode:  25% of 40 responses, 1.0/s, 100 tokens/s, 30.0 s left",
        "decode: 100% of 40 responses, 2.0/s, 150 tokens/s, in 20.0 s",
    ]
