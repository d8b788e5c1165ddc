"""Key points of responses, and which share of them another response keeps."""

import json
from itertools import pairwise
from statistics import mean

import pytest

from l2s.analysis.key_points import kept_share, key_points, stated_points

QUESTION = "A baker packs 12 boxes of 60 rolls and sells each roll for $1.75. How much does she take?"
SLOW = r"""<think>
12 boxes, so maybe 12 + 60 = 72? Wait, no.
</think>
1. **Rolls**: \(12 \times 60 = 720\) rolls.
2. **Half of the money**: \[ \frac{720}{2} \times 1.75 = 630.00 \text{ dollars} \]
3. **Both halves**: $630 + 630 = 1{,}260$.

The answer is \(\boxed{1260}\)."""


def test_results_of_a_worked_out_answer_are_its_key_points():
    assert key_points(SLOW, QUESTION) == ("720", "630")


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("so x = 1,234.50.", ["2469/2"]),
        (r"$\frac{6}{4}$ of it: $y = \frac{6}{4}$", ["3/2"]),
        (r"y = \dfrac32", ["3/2"]),
        ("that is 1.5 m", ["3/2"]),
        (r"The total is \$1,260.00 now", ["1260"]),
        (r"x = 50\% of all", ["50"]),
        (r"\angle A = 30^\circ, B = -4", ["30", "-4"]),
        ("x = 5 + 3 = 5*2 - 2 = 8", ["8"]),
        (r"\[ y = 2x + 3 \]", ["2x+3"]),
        (r"$h=10\sqrt{2}$ units", [r"10\sqrt2"]),
        (r"\(a = 2 \cdot b\)", ["2b"]),
        ("speed = distance over time", []),
        ("1. First\n2. Second", []),
        ("", []),
    ],
)
def test_numbers_and_expressions_are_normalised(text, points):
    assert list(key_points(text)) == points


def test_the_questions_own_numbers_and_the_boxed_answer_are_no_key_points():
    text = r"We have $n = 12$. Then $n + 1 = 13$, so $2n + 2 = 26$: \boxed{26}"
    assert key_points(text, "Let n be 12. What is 2n + 2?") == ("13",)
    assert key_points(text) == ("12", "13")


def test_a_short_response_keeps_results_that_it_says_in_words():
    kept = "She has 720 rolls, half of which bring $630, so \\boxed{1260}."
    assert kept_share(SLOW, kept, QUESTION) == 1
    assert kept_share(SLOW, "There are 720 rolls: \\boxed{1260}", QUESTION) == 0.5
    assert kept_share(SLOW, "\\boxed{1260}", QUESTION) == 0


def test_what_stands_in_exponents_or_longer_numbers_or_thinking_is_not_kept():
    for text in ("x^{720}", "1720", "720.5", "a_720", "720. Item", "<think>720</think> done"):
        assert kept_share("So it is 720", text) == 0, text


def test_a_response_without_results_has_no_share():
    assert kept_share("It follows that \\boxed{5}", "5 = 5") is None
    assert kept_share("There are 12 boxes", "12", QUESTION) is None


@pytest.mark.parametrize(
    "text", ["=" * 10_000, "\\boxed{" * 3_000, "1," * 10_000, "= a b" * 5_000, "x = " + "9" * 9_000]
)
def test_odd_texts_take_no_longer_than_others(text):
    assert kept_share(text, text, text) in (None, 1)


@pytest.mark.parametrize("number", ["1/0", "0/0", "0", "00.10", "1,2,3", "1,,"])
def test_odd_numbers_are_no_error(number):
    assert key_points(f"x = {number}") is not None


def test_real_answers_to_the_same_question_share_results_and_others_hardly_do(real_data):
    lines = (real_data / "outputs" / "qwen_math_cot_100.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    texts = [(row["question"], row["code"][:2]) for row in rows]
    same = [kept_share(first, second, question) for question, (first, second) in texts]
    different = [kept_share(first, text, question) for (question, (first, _)), (_, (text, _)) in pairwise(texts)]
    assert mean(share for share in same if share is not None) > 0.75
    assert mean(share for share in different if share is not None) < 0.2


def test_key_points_among_what_a_response_states_are_those_that_it_keeps():
    short = "Altogether 720 rolls, so 630 dollars twice."
    assert {"720", "630"} <= stated_points(short)
    assert "630" not in stated_points("630 of them</think>Altogether 720 rolls")
