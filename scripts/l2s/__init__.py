"""The library behind the scripts: long-to-short reasoning by model merging.

Arrows point one way: ``scripts/*.py`` call the stage packages (``sources``, ``merging``, ``decoding``, ``grading``,
``analysis``), which build on ``checkpoints`` and on the small modules beside this file. No stage imports another stage;
stages meet only in files. Where a stage needs what another one makes, ``steps`` starts its script; only scripts import
that. The library is imported from where it lies: never install it.
"""
