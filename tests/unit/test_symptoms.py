"""Loops at a response's end are found with their period, good answers cut anywhere have none; thinking closes."""

import json
import random

import pytest
from support import DEMO
from transformers import PreTrainedTokenizerFast

from l2s.decoding.symptoms import FEWEST_REPEATS, FEWEST_TOKENS, LONGEST_PERIOD, loop_period, thinking_closed
from l2s.demo.questions import Question as Chain
from l2s.demo.questions import Style, benchmark_splits

TOKENIZER = PreTrainedTokenizerFast.from_pretrained(DEMO / "slow")


def phrase(length, chance):
    """Distinct tokens, so that no shorter period hides in them."""
    return chance.sample(range(1000), length)


def test_loop_of_every_period_is_found_wherever_it_is_cut():
    chance = random.Random(0)
    for period in range(1, LONGEST_PERIOD + 1):
        start, loop = phrase(300, chance), phrase(period, chance)
        cut = loop[: chance.randrange(period)]
        fewest = max(FEWEST_REPEATS, -(-FEWEST_TOKENS // period))
        assert [loop_period(start + loop * repeats + cut) for repeats in (fewest, 300)] == [period, period]


@pytest.mark.parametrize("period", [32, 33, 64, LONGEST_PERIOD])
def test_fewer_repeats_are_no_loop(period):
    chance = random.Random(period)
    assert loop_period(phrase(300, chance) + phrase(period, chance) * (FEWEST_REPEATS - 1)) is None


def test_longer_periods_short_runs_and_endings_after_a_loop_are_no_loop():
    chance = random.Random(0)
    assert loop_period(phrase(LONGEST_PERIOD + 1, chance) * 20) is None
    assert loop_period([*phrase(300, chance), *[5] * (FEWEST_TOKENS - 1)]) is None
    assert loop_period([*phrase(10, chance) * 90, 1001]) is None
    assert loop_period([]) is None


def test_real_answers_cut_anywhere_have_no_loop(real_data):
    lines = (real_data / "outputs" / "qwen_math_cot_100.jsonl").read_text().splitlines()
    texts = [text for line in lines for text in json.loads(line)["code"]]
    assert len(texts) == 800
    chance = random.Random(0)
    for text in texts:
        ids = TOKENIZER.encode(text, add_special_tokens=False)
        for length in (len(ids), *(chance.randrange(len(ids) + 1) for _ in range(5))):
            assert loop_period(ids[:length]) is None, TOKENIZER.decode(ids[:length][-200:])


def test_checks_that_say_the_same_three_times_have_no_loop_wherever_they_are_cut():
    chains: list[Chain] = benchmark_splits(0)["validation"]
    for chain in chains:
        ids = TOKENIZER.encode(chain.response(Style.TWO_CHECKS), add_special_tokens=False)
        assert all(loop_period(ids[:length]) is None for length in range(len(ids) + 1))


@pytest.mark.parametrize(
    ("prompt", "response", "closed"),
    [
        ("Q", "The answer is 4.", None),
        ("Q", "<think>2+2</think> 4", True),
        ("Q", "<think>2+2", False),
        ("Q<think>\n", "2+2</think> 4", True),
        ("Q<think>\n", "2+2, so 4", False),
        ("Q<think>\n", "", False),
        ("Q<think></think>", "4", None),
        ("Q<think></think>", "<think>wait", False),
        ("Q", "<think>a</think> 4. <think>b", False),
        ("Q", "4</think>", None),
    ],
)
def test_thinking_is_closed_if_the_last_that_was_opened_is(prompt, response, closed):
    assert thinking_closed(prompt, response) is closed
