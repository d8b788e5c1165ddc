"""The library behind the scripts: long-to-short reasoning by model merging.

Arrows point one way: ``scripts/*.py`` call the stage packages (``sources``, ``merging``, ``decoding``, ``grading``,
``analysis``), which build on ``checkpoints`` and on the small modules beside this file. No stage imports another stage;
stages meet only in files. Where a stage needs what another one makes, ``steps`` starts its script; only scripts import
that. The library is imported from where it lies: never install it.
"""

import sys

STOPPED = "stopped; run again to go on"


def _say_stopped(kind, error, trace):
    """Print one line for Ctrl-C: importing torch takes seconds, in which no script can catch it yet."""
    if issubclass(kind, KeyboardInterrupt):
        print(STOPPED, file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _say_stopped
