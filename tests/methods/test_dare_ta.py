"""DARE, then task arithmetic."""

from methods.test_dare import drop_and_rescale
from methods.test_task_arithmetic import add_scaled_sum

RECIPES = [{"drop_rate": 0.3, "scale": 0.7}]


def reference(given, method):
    return add_scaled_sum(given.base, drop_and_rescale(given, method), method.scale)
