"""The experiment: the configured studies with every entry that they use, checked, and what follows from them.

The rules get their inputs, outputs and parameters from it. It reads YAML files only. No script that makes results
imports it, so that editing it makes nothing stale by itself.
"""

from l2s.experiment.experiment import Experiment

__all__ = ["Experiment"]
