"""What a merge's log says of its result: how much it changed, beside what was asked for."""

import logging
from math import sqrt

import pyarrow as pa

from l2s.merging.engine.contract import Method

TOO_FAR = 2.0
"""So many times the largest task vector is a change that a method which moves the base itself is warned of."""


def tell_changes(statistics: pa.Table, method: Method) -> None:
    """Print how large task vectors and change are, and warn where a method moves the base farther than the models do.

    Args:
        statistics: Of the merge, schema MERGE_STATISTICS.
        method: What merged; of one with ``keep_fraction`` the share asked for stands beside the share changed.
    """
    frame = statistics.to_pandas()
    once = frame[frame["model"] == 1]
    base, merged = (sqrt((once[column] ** 2).sum()) for column in ("base_norm", "merged_norm"))
    vectors = [sqrt((part["task_vector_norm"] ** 2).sum()) for _, part in frame.groupby("model")]
    base = base or 1.0
    sizes = ", ".join(f"{vector / base:.2%}" for vector in vectors)
    print(f"task vectors: {sizes} of the base's norm; the merge moves it by {merged / base:.2%}")
    changed = (once["changed"] * once["elements"]).sum() / once["elements"].sum()
    asked = getattr(method, "keep_fraction", None)
    of = f" (keep_fraction {asked:.1%}, and all that are as large as the smallest kept one)" if asked else ""
    print(f"changed: {changed:.1%} of {once['elements'].sum():,} elements{of}")
    if method.moves_base and merged > TOO_FAR * max(vectors):
        logging.getLogger("l2s").warning(
            f"method {method.method} moves the weights by {merged / base:.2%} of their norm, where the task vectors "
            f"are {sizes}: {method.moves_base}"
        )
