"""Scales: one number, or a map from tensor-name patterns to numbers.

    scale: 0.7
    scale: {"model.layers.{0-13}.*": 0.5, "model.layers.{14-27}.mlp.*": 0.8, "*": 0.7}

In a pattern ``*`` stands for any text and ``{a-b}`` for a whole number from a to b; ``*`` alone for every tensor that
no other pattern names. Which of two overlapping patterns comes first does not matter: a tensor to which they give
different numbers is an error, as is a pattern that names no tensor, or a tensor that none names.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from l2s.errors import UserError
from l2s.merging.engine.contract import Method


def _no_boolean(value: Any) -> Any:
    """Pydantic would take true for 1.0."""
    if isinstance(value, bool):
        raise ValueError("Input should be a valid number")
    return value


def _by_pattern(scales: dict[str, float]) -> dict[str, float]:
    """What is left of a range or of a removed map names no tensor; say so before a merge job does."""
    if not scales or scales.keys() & {"from", "to", "step"}:
        raise ValueError("give a number, or numbers by tensor-name pattern; a range belongs in a study's 'recipes'")
    return scales


Number = Annotated[float, BeforeValidator(_no_boolean), Field(ge=0, le=2)]
Scale = Number | Annotated[dict[str, Number], AfterValidator(_by_pattern)]
OTHERS = "*"
RANGE = re.compile(r"\{(\d+)-(\d+)\}")


class Scaled(Method):
    """What methods with a scale share."""

    scale: Scale = Field(description="α: factor on the task vector; a number, or numbers by tensor-name pattern")

    def scale_of(self, tensor: str) -> float:
        """Return the scale of a tensor."""
        if not isinstance(self.scale, dict):
            return self.scale
        found = {value for pattern, value in self.scale.items() if pattern != OTHERS and matches(pattern, tensor)}
        return found.pop() if found else self.scale[OTHERS]

    def check_tensors(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Refuse a map that names a tensor twice, not at all, or has a pattern that names none.

        Raises:
            UserError: Names the pattern or the tensor.
        """
        if not isinstance(self.scale, dict):
            return
        unused = set(self.scale) - {OTHERS}
        for tensor in shapes:
            found = {p: value for p, value in self.scale.items() if p != OTHERS and matches(p, tensor)}
            unused -= found.keys()
            if len(set(found.values())) > 1:
                given = " and ".join(f"'{pattern}' gives {value:g}" for pattern, value in found.items())
                raise UserError(
                    f"scale: tensor '{tensor}' is named twice: {given}; make the patterns exclude each other"
                )
            if not found and OTHERS not in self.scale:
                raise UserError(f"scale: no pattern names tensor '{tensor}'; add '{OTHERS}' for all other tensors")
        if unused:
            raise UserError(f"scale: pattern '{min(unused)}' names no tensor of the models; correct or remove it")


def matches(pattern: str, tensor: str) -> bool:
    """Say whether a pattern names a tensor."""
    regex, ranges = _compile(pattern)
    found = regex.fullmatch(tensor)
    return found is not None and all(
        low <= int(number) <= high for number, (low, high) in zip(found.groups(), ranges, strict=True)
    )


@cache
def _compile(pattern: str) -> tuple[re.Pattern, tuple[tuple[int, int], ...]]:
    ranges = tuple((int(low), int(high)) for low, high in RANGE.findall(pattern))
    parts = re.split(r"(\*|\{\d+-\d+\})", pattern)
    special = {"*": ".*"}
    text = "".join(special.get(part, r"(\d+)" if RANGE.fullmatch(part) else re.escape(part)) for part in parts)
    return re.compile(text), ranges
