"""Figures of studies, one module each, with two functions.

``needs(study)`` is given a ``charts.Drawn`` and returns None, or a sentence that says what the study lacks for this
figure, and the remedy. It is asked before anything is decoded, so that the module must load altair and pandas inside
functions. ``chart(table, title)`` returns the altair chart of a study's table, schema TABLE.
"""

from l2s.modules import module_of


def figure_module(name: str, where: str) -> str:
    """Return the full name of a figure's module, without loading it.

    Raises:
        UserError: There is no such figure.
    """
    return module_of(__name__, name, where, "figure")
