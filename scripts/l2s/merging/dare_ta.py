"""DARE, then task arithmetic: the paper's "DARE-TA" row (arXiv 2311.03099 with 2212.04089).

    θ = θ_base + α · Σ δᵢ,   δᵢ: the task vectors after drop and rescale

``drop_rate`` is the paper's p, ``scale`` its α. Deviations: those of ``dare`` and ``task_arithmetic``.
"""

from l2s.merging.dare import DropAndRescale
from l2s.merging.task_arithmetic import TaskArithmetic


class DareTaskArithmetic(DropAndRescale, TaskArithmetic):
    """Drop and rescale the task vectors, then add their scaled sum to the base."""
