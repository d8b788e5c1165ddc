"""A line of progress gives the share done, the rate and the time left."""

import pytest

from l2s import progress
from l2s.decoding.progress import DecodeProgress
from l2s.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    return clock


def test_lines_give_share_rate_and_time_left(clock):
    lines = []
    counting = Progress("merge", 40, "million elements", say=lines.append)
    clock[0] += 1
    counting.add(4)  # too early for a line
    clock[0] += 9
    counting.add(6)
    clock[0] += 10
    counting.add(30)
    assert lines == [
        "merge:  25% of 40 million elements, 1.0 million elements/s, 30.0 s left",
        "merge: 100% of 40 million elements, 2.0 million elements/s, in 20.0 s",
    ]


def test_the_time_left_goes_by_the_effort_where_units_differ(clock):
    lines = []
    counting = Progress("merge", 10, "million elements", effort=100, say=lines.append)
    clock[0] += 10
    counting.add(9, effort=20)
    clock[0] += 40
    counting.add(1, effort=80)
    assert lines == [
        "merge:  20% of 10 million elements, 0.9 million elements/s, 40.0 s left",
        "merge: 100% of 10 million elements, 0.2 million elements/s, in 50.0 s",
    ]


def test_decoding_is_followed_by_token_before_any_response_has_ended(clock):
    lines = []
    counting = DecodeProgress(4, most_tokens=4000, say=lines.append)
    clock[0] += 1
    counting.heard(50, 0)  # too early for a line
    clock[0] += 9
    counting.heard(50, 0)
    clock[0] += 10
    counting.heard(300, 2)
    clock[0] += 10
    counting.heard(200, 2)
    counting.finish()
    assert lines == [
        "decode: 0 of 4 responses (0%), 100 tokens, 10 tokens/s, at most 6 min 30 s left",
        "decode: 2 of 4 responses (50%), 400 tokens, 20 tokens/s, 20.0 s left",
        "decode: 4 of 4 responses (100%), 600 tokens, 20 tokens/s, in 30.0 s",
    ]
