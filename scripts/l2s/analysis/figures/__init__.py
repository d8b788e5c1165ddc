"""Figures of studies, one module each, with two functions.

``needs(study)`` is given a ``charts.Drawn`` and returns None, or a sentence that says what the study lacks for this
figure, and the remedy. It is asked before anything is decoded, so that the module must load altair and pandas inside
functions. ``chart(table, title)`` returns the altair chart of a study's table, schema TABLE.
"""
