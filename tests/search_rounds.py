"""Rounds of a search that nobody decoded, for its unit tests."""

from l2s.search.space import identity
from l2s.search.standing import Round, Standing


def standing(candidate, loss, length, verdict="not shown"):
    name = identity(candidate.recipe)
    return Standing(candidate, name, name, loss, loss + 0.01, length, verdict, 1000)


def played(candidates, name="1"):
    """Judge candidates as if shorter meant less accurate below a scale of 0.6."""
    stands = []
    for one in candidates:
        scale = one.recipe["scale"]
        loss = max(0.0, 0.6 - scale)
        stands.append(standing(one, loss, scale - 1, "refuted" if loss > 0.3 else "not shown"))
    return Round(name, 30, stands, 500)
