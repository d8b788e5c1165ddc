"""The library behind the scripts: long-to-short reasoning by model merging.

Arrows point one way: ``scripts/*.py`` call the stage packages (``sources``, ``merging``, ``decoding``, ``grading``,
``analysis``), which build on ``checkpoints`` and on the small modules beside this file. No stage imports another stage;
stages meet only in files. It is imported from where it lies: never install it.
"""
