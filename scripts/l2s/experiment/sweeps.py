"""Sweeps: a recipe in which a list, or a range, stands in place of a value is a recipe for each of its values.

    {method: task_arithmetic, scale: [0.5, 0.7, 0.9]}
    {method: task_arithmetic, scale: {from: 0.1, to: 0.9, step: 0.1}}
    {recipe: ties, keep_fraction: [0.1, 0.2], scale: [0.8, 1.0]}          a file of config/recipes, and what differs

Several lists give every combination, the last varying fastest; lists in nested recipes count as well.
"""

from decimal import Decimal
from itertools import product
from math import isfinite, prod
from typing import Any

from l2s.errors import UserError

RANGE_KEYS = {"from", "to", "step"}
# A merge of a large model takes minutes to hours: a longer range, or more combinations, are a slip of the pen.
MOST_VALUES = 100
MOST_RECIPES = 500


def expand(values: Any, where: str) -> list[Any]:
    """Return the recipes that ``values`` stands for, in order; one that holds no list stands for itself.

    Raises:
        UserError: A list is empty, a range is incomplete, endless or does not lead from its start to its end, or there
            are more combinations than anybody can mean.
    """
    if (count := _count(values, where)) > MOST_RECIPES:
        raise UserError(
            f"{where}: stands for {count:,} recipes, and {MOST_RECIPES} are the most: give fewer values, or ranges "
            "with larger steps"
        )
    return _expand(values, where)


def _count(values: Any, where: str) -> int:
    """Return how many recipes ``values`` stands for, without making any."""
    if isinstance(values, list):
        return len(values)
    if not isinstance(values, dict):
        return 1
    if values and values.keys() <= RANGE_KEYS:
        return len(_range(values, where))
    return prod(_count(value, where) for value in values.values())


def _expand(values: Any, where: str) -> list[Any]:
    if isinstance(values, list):
        if not values:
            raise UserError(f"{where}: an empty list stands for no recipe; give it values or remove it")
        return values
    if not isinstance(values, dict):
        return [values]
    if values and values.keys() <= RANGE_KEYS:
        return _range(values, where)
    choices = [_expand(value, where) for value in values.values()]
    return [dict(zip(values, chosen, strict=True)) for chosen in product(*choices)]


def listed(values: Any, where: str) -> Any:
    """Return ``values`` with each range in it as the list of its values.

    Raises:
        UserError: As of ``expand``.
    """
    if isinstance(values, dict):
        if values and values.keys() <= RANGE_KEYS:
            return _range(values, where)
        return {key: listed(value, where) for key, value in values.items()}
    return expand(values, where) if isinstance(values, list) else values


def _range(values: dict[str, Any], where: str) -> list[float]:
    """Return the values of a range, its end included; decimal, so that 0.1 three times is 0.3."""
    if missing := RANGE_KEYS - values.keys():
        raise UserError(f"{where}: a range needs 'from', 'to' and 'step'; add '{min(missing)}' (found {values})")
    for key, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise UserError(f"{where}: key '{key}' of a range must be a finite number (found {value!r})")
    start, stop, step = (Decimal(str(values[key])) for key in ("from", "to", "step"))
    if step <= 0 or stop < start:
        raise UserError(f"{where}: a range needs 'from' <= 'to' and a 'step' above 0 (found {values})")
    count = int((stop - start) / step) + 1
    if count > MOST_VALUES:
        raise UserError(f"{where}: a range has {MOST_VALUES} values at most; give a larger 'step' (found {values})")
    return [float(start + number * step) for number in range(count)]
