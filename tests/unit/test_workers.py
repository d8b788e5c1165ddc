"""Worker processes with limits: what breaks one costs its own result and nothing else."""

import os
import time

import pytest

from l2s.grading.workers import Limits, call_each

LIMITS = Limits(seconds=2.0, bytes=300 * 1024**2)


def behave(how, value):
    """What a call may do."""
    if how == "hang":
        while True:
            time.sleep(1)
    if how == "count":
        return len(str(3 ** (10**9)))  # one long operation, which no signal interrupts
    if how == "eat":
        hoard = [bytearray(16 * 1024**2) for _ in range(200)]
        time.sleep(60)
        return len(hoard)
    if how == "crash":
        os._exit(3)
    if how == "raise":
        raise RecursionError(value)
    return value


def test_results_come_in_order():
    calls = [("return", number) for number in range(600)]
    assert [ended.value for ended in call_each(behave, calls, 2, LIMITS)] == list(range(600))


@pytest.mark.parametrize(
    ("how", "timed_out", "fault"),
    [
        ("hang", True, "took too long"),
        ("count", True, "took too long"),
        ("eat", False, "killed or crashed"),
        ("crash", False, "killed or crashed"),
        ("raise", False, "RecursionError: deep"),
    ],
)
def test_broken_call_costs_its_own_result_only(how, timed_out, fault):
    calls = [("return", 1), (how, "deep"), ("return", 2), ("return", 3)]
    started = time.monotonic()
    first, broken, *rest = call_each(behave, calls, 1, LIMITS)
    assert (broken.timed_out, broken.value) == (timed_out, None)
    assert fault in broken.fault
    assert [first.value, *(ended.value for ended in rest)] == [1, 2, 3]
    assert time.monotonic() - started < 50  # eat sleeps for a minute unless it is killed


def test_caller_that_stops_reading_leaves_no_process():
    import multiprocessing

    results = call_each(behave, [("return", 1), ("hang", 0), ("hang", 0)], 2, LIMITS)
    assert next(results).value == 1
    results.close()
    assert multiprocessing.active_children() == []
