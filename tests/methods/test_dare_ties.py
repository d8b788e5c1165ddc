"""DARE, then TIES."""

from methods.test_dare import drop_and_rescale
from methods.test_ties import add_disjoint_mean

RECIPES = [{"drop_rate": 0.3, "keep_fraction": 0.5, "scale": 0.9}]


def reference(given, method):
    return add_disjoint_mean(given.base, drop_and_rescale(given, method), method)
