"""Figures of studies, one module each, with one function ``chart(summary, title) -> altair.Chart``."""
