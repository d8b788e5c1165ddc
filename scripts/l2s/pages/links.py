"""Where pages lead: addresses relative to the results folder, quoted as links have them."""

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


def to_responses(study: str, checkpoint: str) -> str:
    """Return the address of a checkpoint's responses to the questions of a study."""
    return f"{inside(INSIDE.responses_page(study))}#{urlencode({'a': checkpoint})}"


def to_response(study: str, checkpoint: str, benchmark: str, question: str, sample: int) -> str:
    """Return the address of one response."""
    place = {"a": checkpoint, "benchmark": benchmark, "question": question, "sample": sample}
    return f"{inside(INSIDE.responses_page(study))}#{urlencode(place)}"
