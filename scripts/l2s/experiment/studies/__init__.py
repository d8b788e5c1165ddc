"""Kinds of studies, one module each: ``kind: <module>`` in an entry of ``config/studies``."""
