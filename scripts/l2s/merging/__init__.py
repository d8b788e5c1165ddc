"""The merge stage: every module of this folder is one merging method; what runs them is in ``engine/``."""
