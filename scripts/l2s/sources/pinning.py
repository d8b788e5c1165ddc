"""What pins the rows that are read: their sha256, which an entry may state."""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from l2s.errors import UserError
from l2s.files import canonical_json

LOG = logging.getLogger(__name__)


def rows_digest(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the sha256 over the canonical JSON of each row (without its benchmark's name), a line each."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(canonical_json({key: row[key] for key in row if key != "benchmark"}).encode() + b"\n")
    return digest.hexdigest()


def check_pinned(rows: list[dict[str, Any]], pinned: str | None, where: str, key: str = "sha256") -> None:
    """Compare rows with the sha256 that their entry states, and print it.

    If the entry states none, a warning gives the line that pins the rows, and all goes on.

    Args:
        rows: The rows.
        pinned: What the entry says.
        where: What messages call the entry.
        key: The entry's key that holds the sha256.

    Raises:
        UserError: The rows have another sha256.
    """
    digest = rows_digest(rows)
    print(f"sha256 of the {len(rows)} rows: {digest}")
    if pinned is None:
        LOG.warning(
            "%s: UNPINNED: no sha256 is given, so that nobody would notice if the %d rows changed; once you have "
            "checked them, pin them with the line '%s: %s'",
            where,
            len(rows),
            key,
            digest,
        )
    elif digest != pinned:
        raise UserError(
            f"{where}: the sha256 of the rows is {digest}, key '{key}' says {pinned}; they are not the pinned ones (if "
            "you trust them, put the new sha256 into the entry)"
        )
