"""What a table's reader must not overlook: lengths that are lower bounds, and pairs that merging cannot shorten."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pyarrow as pa

from l2s.analysis.table import as_decoded, overall
from l2s.contracts.table import MEAN

AT_LEAST = "≥"
TRUNCATED = (
    f"{AT_LEAST}: responses were truncated, so that the mean length is a lower bound, and changes against or from it "
    "may be larger or smaller than they look."
)
AS_LONG = 0.9
"""A quick model with so much of the slow one's length is told to be as long."""


def length_text(line: Any) -> str:
    """Write a mean length, marked where truncated responses make it a lower bound; ``line``: a row of TABLE."""
    bound = f"{AT_LEAST} " if line.truncated > 0 else ""
    return f"{bound}{line.mean_tokens:.1f}"


def cautions(summary: pa.Table) -> Iterator[str]:
    """Yield sentences for a table's note; ``summary``: schema TABLE."""
    frame = as_decoded(overall(summary))
    if (frame["truncated"] > 0).any():
        yield TRUNCATED
    whole = frame[(frame["benchmark"] == MEAN) | (frame["benchmark"].nunique() == 1)]
    for pair, lines in whole.groupby("pair", sort=False):
        quick, slow = (lines[lines["method"] == role] for role in ("quick", "slow"))
        yield from _as_long(str(pair), quick, slow)


def _as_long(pair: str, quick: pd.DataFrame, slow: pd.DataFrame) -> Iterator[str]:
    if len(quick) == 1 and len(slow) and quick["mean_tokens"].item() >= AS_LONG * slow["mean_tokens"].min():
        yield (
            f"{pair}: with this prompt the quick model's responses are about as long as the slow model's "
            f"({quick['mean_tokens'].item():.1f} and {slow['mean_tokens'].min():.1f} tokens), so that merging can "
            "hardly shorten them: look at the prompt, and at what was truncated."
        )
