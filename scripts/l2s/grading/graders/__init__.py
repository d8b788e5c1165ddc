"""Graders, one module each; what each has is in ``l2s/grading/contract.py``."""
