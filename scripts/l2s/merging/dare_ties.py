"""DARE, then TIES: the paper's "DARE-Ties" row (arXiv 2311.03099 with 2306.01708).

The task vectors are dropped and rescaled, then trimmed, elected and averaged as in TIES. Thresholds are taken after the
drop, over all elements: dropped ones count as zeros, so that with ``keep_fraction`` above 1 − p everything that was not
dropped is kept. ``drop_rate`` is the paper's p, ``keep_fraction`` its 1 − k, ``scale`` its α. Deviations: those of
``dare`` and ``ties``.
"""

from l2s.merging.dare import DropAndRescale
from l2s.merging.ties import Ties


class DareTies(DropAndRescale, Ties):
    """Drop and rescale the task vectors, then trim, elect sign, disjoint mean."""
