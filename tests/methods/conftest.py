"""Fixtures for the tests of single methods."""

import pytest


@pytest.fixture
def models(make_model):
    """A base and two slow models near it."""
    base = make_model("base", 0)
    return base, [make_model(f"slow{seed}", seed, near=base) for seed in (1, 2)]
