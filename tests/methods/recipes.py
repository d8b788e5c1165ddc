"""The recipes that the methods' test files compare, for the tests that hold for every method."""

import importlib
from pathlib import Path
from typing import Any

from support import ROOT

from l2s.merging.engine.recipe import parse_method
from l2s.methods import method_names


def file_of(method: str) -> Path:
    """Return where a method's test file must be."""
    return ROOT / "tests" / "methods" / f"test_{method}.py"


def works_on(recipe: dict[str, Any]) -> str:
    """Return what a recipe's method works on."""
    return parse_method(recipe, "test").works_on


def slow_models(recipe: dict[str, Any]) -> list[int]:
    """Return which of 1, 2 and 3 slow models a recipe can merge; a method without a base merges one model more."""
    method = parse_method({key: value for key, value in recipe.items() if key != "fidelity"}, "test")
    added = 0 if method.needs_base else 1
    return [n for n in (1, 2, 3) if method.min_models <= n + added <= (method.max_models or n + added)]


def recipe_id(recipe: Any) -> str:
    """Name a recipe in a test's id."""
    return "-".join(map(str, recipe.values())) if isinstance(recipe, dict) else str(recipe)


# A method without a file is missing here, and fails a test of its own.
RECIPES = [
    {"method": method, **recipe}
    for method in method_names("merging")
    if file_of(method).is_file()
    for recipe in importlib.import_module(f"methods.test_{method}").RECIPES
]
ON_ELEMENTS = [recipe for recipe in RECIPES if works_on(recipe) == "elements"]
ON_MATRICES = [recipe for recipe in RECIPES if works_on(recipe) == "matrices"]
