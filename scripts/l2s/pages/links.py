"""Where pages lead: addresses relative to the results folder, quoted as links have them."""

from typing import Any
from urllib.parse import urlencode

from l2s.layout import Layout
from l2s.pages.render import href

INSIDE = Layout(".")


def inside(path: str) -> str:
    """Return the address of a path of ``INSIDE``."""
    return href(path.removeprefix("./"))


def to_checkpoint(checkpoint: str) -> str:
    """Return the address of a checkpoint's page."""
    return inside(INSIDE.checkpoint_page(checkpoint))


def to_table(study: str) -> str:
    """Return the address of a study's table."""
    return inside(INSIDE.table(study, "html"))


def to_responses(study: str, checkpoint: str, **question: Any) -> str:
    """Return the address of a checkpoint's responses to the questions of a study, or of one: its ``benchmark``,
    ``question`` and ``sample``. They are B there, beside the reference's."""
    return f"{inside(INSIDE.responses_page(study))}#{urlencode({'b': checkpoint, **question})}"
