"""The experiment: every entry that the configured studies use, checked, and the jobs that follow from it.

This is what the Snakefile builds its rules' inputs and parameters from. It reads YAML files only; no script imports it,
so that editing it makes nothing stale by itself.
"""

from l2s.experiment.experiment import Experiment

__all__ = ["Experiment"]
