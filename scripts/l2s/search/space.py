"""The space that is searched: recipes in which a list of values stands in place of a value.

    {method: ties, keep_fraction: [0.1, 0.2, 0.4], scale: [0.6, 0.8, 1.0]}

A study writes them like those of a table, ranges included; where a table takes every combination, a search picks some.
"""

from collections.abc import Iterator
from math import prod
from typing import Any

from l2s.errors import UserError
from l2s.files import canonical_json
from l2s.merging.engine.recipe import Inputs, parse_method

Recipe = dict[str, Any]
Path = tuple[str, ...]
Picks = dict[str, int]
"""Of an item's lists, by dotted path, the index of the picked value."""


def choices(item: Any, path: Path = ()) -> Iterator[tuple[Path, list[Any]]]:
    """Yield the lists of an item of the space with their paths, in the order in which they are written."""
    if isinstance(item, list):
        yield path, item
    elif isinstance(item, dict):
        for key, value in item.items():
            yield from choices(value, (*path, key))


def dotted(path: Path) -> str:
    """Return a path as picks name it."""
    return ".".join(path)


def size(item: Recipe) -> int:
    """Return how many recipes an item stands for."""
    return prod(len(values) for _, values in choices(item))


def filled(item: Any, picks: Picks, path: Path = ()) -> Any:
    """Return an item with the picked value in place of each list."""
    if isinstance(item, list):
        return item[picks[dotted(path)]]
    if isinstance(item, dict):
        return {key: filled(value, picks, (*path, key)) for key, value in item.items()}
    return item


def normalised(recipe: Recipe) -> Recipe:
    """Return a recipe with every hyper-parameter spelled out, so that equal recipes are equal.

    Raises:
        UserError: It is malformed.
    """
    own = {key: recipe[key] for key in Inputs.model_fields if key in recipe}
    method = parse_method({key: value for key, value in recipe.items() if key not in own}, f"recipe {recipe}")
    return {**method.model_dump(mode="json"), **own}


def modules(recipe: Any) -> set[str]:
    """Return the modules of the methods that an item names, nested ones included."""
    if not isinstance(recipe, dict):
        return set()
    own = {f"l2s.merging.{recipe['method']}"} if isinstance(recipe.get("method"), str) else set()
    return own.union(*map(modules, recipe.values()))


def identity(recipe: Recipe) -> str:
    """Return what equal recipes have in common and no other has."""
    return canonical_json(normalised(recipe))


def find(recipe: Recipe, items: list[Recipe]) -> tuple[int, Picks] | None:
    """Return the item that stands for a recipe, and the picks; None if none does."""
    wanted = normalised(recipe)
    for number, item in enumerate(items):
        picks = _picks_of(item, wanted)
        if picks is not None and identity(filled(item, picks)) == canonical_json(wanted):
            return number, picks
    return None


def _picks_of(item: Recipe, wanted: Recipe) -> Picks | None:
    picks: Picks = {}
    for path, values in choices(item):
        value: Any = wanted
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if value not in values:
            return None
        picks[dotted(path)] = values.index(value)
    return picks


def check(items: list[Recipe], where: str) -> None:
    """Read a recipe with the first and one with the last value of each list.

    Raises:
        UserError: A recipe is malformed; names ``where`` and the recipe's number.
    """
    for number, item in enumerate(items, start=1):
        try:
            for pick in (0, -1):
                normalised(filled(item, {dotted(path): pick for path, _ in choices(item)}))
        except UserError as error:
            raise UserError(f"{where}, recipe {number}: {error}") from None
