"""Mean numbers of keywords that are means over reflective responses in one place and cannot be so in another."""

from collections.abc import Iterator

from l2s.audit.findings import Finding, key_of
from l2s.audit.published import Published

INDEX = ["table", "pair", "method", "label", "benchmark"]


def find(published: Published) -> list[Finding]:
    """Return one finding if some means must be over reflective responses and others cannot be, else none."""
    cells = list(_means(published))
    over_reflective = [cell for cell in cells if _tokens_exceeded(*cell)]
    over_all = [cell for cell in cells if cell[0].value + cell[0].rounding < 1]
    if not (over_reflective and over_all):
        return []
    said = [
        f"{row.label}, {row.benchmark}: {count} of {total:,} responses are reflective and the mean is {row.printed}; "
        f"over all responses, each of the {count} would hold {row.value * total / count:,.1f} keywords, and a response "
        f"has {tokens:,.1f} tokens on average. So it is over reflective responses."
        for row, count, total, tokens in over_reflective
    ]
    said += [
        f"{row.label}, {row.benchmark}: {count} responses are reflective, each with at least one keyword, and the mean "
        f"is {row.printed}. So it is not over reflective responses."
        for row, count, _, _ in over_all
    ]
    keys = [key_of(row) for row, *_ in over_reflective + over_all]
    return [
        Finding(
            "Mean numbers of keywords are over reflective responses in one table and cannot be in another",
            " ".join(said),
            tuple(keys),
            tuple(key_of(row) for row, *_ in over_all),
        )
    ]


def _means(published: Published) -> Iterator[tuple[object, int, int, float]]:
    """Yield each mean number of keywords with the reflective responses, all responses, and the mean length."""
    values = published.cells.set_index([*INDEX, "metric"])["value"].to_dict()
    means = published.cells[published.cells["metric"] == "reflection_keywords"]
    for row in means.itertuples():
        at = tuple(getattr(row, name) for name in INDEX)
        total = published.responses_of(row.table, row.benchmark)
        if count := values.get((*at, "reflective_responses")):
            yield row, int(count), total, values[*at, "mean_tokens"]


def _tokens_exceeded(row: object, count: int, total: int, tokens: float) -> bool:
    """Say whether a mean over all responses would take more keywords in each reflective one than it has tokens."""
    return (row.value - row.rounding) * total / count > tokens
