"""Responses read at another context length than they were decoded with, and their length as the paper counts it."""

import pytest
from test_decoding import PROMPT, SLOW, Scripted, decode, must_not_start, questions, settings
from tokenizers.processors import TemplateProcessing

from l2s.contracts.responses import readings
from l2s.decoding import model
from l2s.decoding.model import read_model

__all__ = ["decode"]  # the fixture


@pytest.mark.parametrize("stop", [(), ("9=1. Wait",)])
def test_reading_at_a_context_length_gives_what_decoding_with_it_gives(decode, stop):
    prompt = PROMPT.model_copy(update={"stop": stop})
    free, _ = decode(settings(), [questions()], prompt=prompt)
    ends = sorted(row["prompt_tokens"] + row["output_tokens"] for row in free)
    shortest = min(row["prompt_tokens"] for row in free)
    # One that leaves no room for some prompts, ones that cut most, some and one response, and one that cuts none.
    lengths = [shortest + 1, ends[0] - 1, ends[0], ends[4], ends[-1] - 1, ends[-1], 5000]
    rows, _ = decode(settings(), [questions()], prompt=prompt, cuts=readings(lengths), start=must_not_start)
    assert rows[: len(free)] == free
    reasons = set()
    for number, length in enumerate(lengths, start=1):
        read = rows[number * len(free) : (number + 1) * len(free)]
        assert {row["read_at"] for row in read} == {length}
        chosen = settings() if length == 5000 else settings(context_length=length)
        decoded, _ = decode(chosen, [questions()], prompt=prompt)
        assert [{**row, "read_at": None} for row in read] == decoded
        reasons |= {row["finish_reason"] for row in read}
    assert reasons == {"stop", "context_length", "prompt_too_long"}
    assert len(rows) == (len(lengths) + 1) * len(free)


def test_reading_at_a_context_length_leaves_the_budget_in_force(decode):
    (_, row), _ = decode(settings(max_new_tokens=5), [questions(1)], cuts=readings([2000]))
    assert (row["finish_reason"], row["output_tokens"]) == ("length", 5)


@pytest.mark.parametrize(("adds", "beginning"), [(False, 0), (True, 1)])
def test_retokenized_length_is_of_the_stripped_text_with_what_the_tokenizer_adds(decode, monkeypatch, adds, beginning):
    tokenizer = read_model(SLOW, settings()).tokenizer
    if adds:
        end = (tokenizer.eos_token, tokenizer.eos_token_id)
        template = TemplateProcessing(single=f"{end[0]} $A", special_tokens=[end])
        tokenizer.backend_tokenizer.post_processor = template
        monkeypatch.setattr(model, "load_tokenizer", lambda folder: tokenizer)
    ids = [*tokenizer.encode("\n 3*4=2.\n", add_special_tokens=False), tokenizer.eos_token_id]
    ((row,), _) = decode(settings(), [questions(1)], start=lambda: Scripted(ids, "stop"))
    assert row["output_tokens"] == len(ids)
    assert row["retokenized"] == len(tokenizer.encode("3*4=2.", add_special_tokens=False)) + beginning < len(ids)
