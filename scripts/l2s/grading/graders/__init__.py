"""Graders, one module each, with one function ``grade(text, gold) -> Verdict``."""
