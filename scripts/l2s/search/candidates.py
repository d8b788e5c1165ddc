"""Candidates of a round: recipes, where they come from, and the file that they pass in."""

from pathlib import Path
from typing import Any

from pydantic import Field

from l2s.config import StrictModel, validate
from l2s.files import pretty_json, read_json, write_text

PROPOSED, BESIDE, PLAIN, KEPT, FINALIST = "proposed", "beside", "plain", "kept", "finalist"


class Candidate(StrictModel):
    """A recipe that is asked questions in a round."""

    recipe: dict[str, Any] = Field(description="with every hyper-parameter spelled out")
    origin: str = Field(
        description="proposed: by Optuna; beside: one step from one of the best; plain: as the paper has it; "
        "kept, finalist: of earlier rounds"
    )
    item: int | None = Field(None, description="number of the item of the space that stands for it, from 0")
    picks: dict[str, int] = Field({}, description="by path in that item, the index of the picked value")


class Candidates(StrictModel):
    """What a round asks."""

    study: str
    round_name: str
    candidates: tuple[Candidate, ...]


def write_candidates(candidates: Candidates, path: Path) -> None:
    """Write a round's candidates as JSON."""
    write_text(path, pretty_json(candidates.model_dump(mode="json")))


def read_candidates(path: Path) -> Candidates:
    """Read what ``write_candidates`` wrote.

    Raises:
        UserError: The file is missing or damaged.
    """
    remedy = "delete it, and it is made again"
    return validate(Candidates, read_json(path, remedy), f"{path} ({remedy})")
