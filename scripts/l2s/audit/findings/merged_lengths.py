"""Mean lengths of merges that end where the context length of the base model ends.

The configs of Qwen2.5-Math give a context length of 4,096 tokens, which a merge has that is saved with its base's
config.
"""

from l2s.audit.findings import Finding, key_of
from l2s.audit.published import Published

CONTEXT_LENGTH = 4096
PAIRS = ("1.5b", "7b")
NOT_MERGED = ("quick", "slow", "dpo")
BENCHMARK = "aime24"


def find(published: Published) -> list[Finding]:
    """Return one finding if nearly all mean lengths of merges with such a base lie below its context length."""
    cells = published.cells
    lengths = cells[(cells["metric"] == "mean_tokens") & (cells["benchmark"] == BENCHMARK) & cells["pair"].isin(PAIRS)]
    merges, models = (lengths[lengths["method"].isin(NOT_MERGED) == side] for side in (False, True))
    below = merges[merges["value"] < CONTEXT_LENGTH]
    if len(below) * 2 < len(merges) or not len(merges):
        return []
    above = merges.drop(below.index)
    others = ", ".join(f"{row.label} at {row.pair.upper()} {row.printed}" for row in above.itertuples()) or "none"
    slow = models[models["method"] == "slow"]
    slowest = ", ".join(f"{row.label} {row.printed}" for row in slow.itertuples())
    return [
        Finding(
            f"{len(below)} of {len(merges)} mean lengths of merges on AIME24 at 1.5B and 7B lie under the "
            f"{CONTEXT_LENGTH:,} tokens of the base's config",
            f"The longest of them is {below['value'].max():,.1f}; above are: {others}. The slow models have {slowest}. "
            "A merge that has its base's config is cut there, prompt included, whatever the budget.",
            tuple(map(key_of, below.itertuples())),
        )
    ]
