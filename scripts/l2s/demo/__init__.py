"""The demo pair: two tiny Qwen2 models that show long-to-short merging on a laptop, and the questions they answer.

`questions` writes the questions and the styles of answer, `tokenizer` the vocabulary, `training` the two models. For
the demo with a real model, `word_problems` writes the questions, and `adapter` trains the slow model over the quick
one.
"""
