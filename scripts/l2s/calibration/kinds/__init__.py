"""Kinds of calibration, one module each: what of a model, or of several, is measured on calibration data.

Such a module has ``MODELS``, how many models it is measured on, ``SUFFIX``, that of its data file (``.parquet`` or
``.safetensors``), and ``write(models, texts, room, out)``, which measures and writes the data file. It loads torch
inside functions, as methods do.
"""

from l2s.modules import module_names, module_of


def kind_names() -> list[str]:
    """Return the names of all kinds of calibration."""
    return module_names(__name__)


def kind_module(name: str, where: str) -> str:
    """Return the full name of a kind's module, without loading it.

    Raises:
        UserError: There is no such kind.
    """
    return module_of(__name__, name, where, "kind of calibration", "kinds of calibration")
