"""The demo's questions and the files made from them: reproducible, right, unseen in training, and loadable."""

import json
import re
from itertools import islice
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from l2s.demo.questions import LEVELS, QUESTIONS_PER_LEVEL, Style, benchmark_rows, benchmark_splits, training_stream
from l2s.demo.tokenizer import build_tokenizer

DEMO = Path(__file__).parents[2] / "workflow" / "resources" / "demo"
SEED = 0
EVERY_STYLE = dict.fromkeys(Style, (1, 1))
SPLITS = list(QUESTIONS_PER_LEVEL)
MODELS = ["quick", "slow"]


@pytest.fixture(scope="module")
def splits():
    return benchmark_splits(SEED)


@pytest.fixture(scope="module", params=MODELS)
def tokenizer(request):
    return AutoTokenizer.from_pretrained(DEMO / request.param)


def committed_rows(split):
    return [json.loads(line) for line in (DEMO / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]


def value_without_intermediate_modulo(expression):
    """Python evaluates each nested pair of integers in full; the modulus is taken once, at the end."""
    first, others = expression[0], re.findall(r"[-+*]\d", expression)
    return eval("(" * len(others) + first + "".join(f"{other})" for other in others)) % 10


@pytest.mark.parametrize("split", SPLITS)
def test_committed_questions_follow_from_the_seed(splits, split):
    assert benchmark_rows(split, splits[split]) == committed_rows(split)


def test_another_seed_gives_other_questions(splits):
    assert benchmark_splits(SEED + 1) != splits


@pytest.mark.parametrize("split", SPLITS)
def test_every_level_has_its_share_of_the_questions(split):
    levels = [row["level"] for row in committed_rows(split)]
    assert {level: levels.count(level) for level in LEVELS} == dict.fromkeys(LEVELS, QUESTIONS_PER_LEVEL[split])


@pytest.mark.parametrize("split", SPLITS)
def test_committed_answers_agree_with_a_naive_evaluation(split):
    for row in committed_rows(split):
        assert row["answer"] == str(value_without_intermediate_modulo(row["question"].split(": ")[1]))


def test_no_question_occurs_twice():
    rows = [row for split in SPLITS for row in committed_rows(split)]
    assert len({row["question"] for row in rows}) == len({row["id"] for row in rows}) == len(rows) == 900


def test_no_benchmark_question_occurs_in_training(splits):
    held_out = {question for questions in splits.values() for question in questions}
    held_out_prompts = {question.prompt for question in held_out}
    unguarded = {prompt for prompt, _ in islice(training_stream(SEED, "base", EVERY_STYLE, set()), 10_000)}
    guarded = {prompt for prompt, _ in islice(training_stream(SEED, "base", EVERY_STYLE, held_out), 10_000)}
    assert unguarded & held_out_prompts
    assert not guarded & held_out_prompts


def test_training_stream_follows_from_the_seed_and_the_phase():
    def start(seed, phase):
        return list(islice(training_stream(seed, phase, EVERY_STYLE, set()), 20))

    assert start(SEED, "base") == start(SEED, "base")
    assert start(SEED, "base") != start(SEED, "quick")
    assert start(SEED, "base") != start(SEED + 1, "base")


def test_mixture_is_interpolated_from_the_lowest_to_the_highest_level():
    mixture = {Style.DIRECT: (1, 0), Style.ONE_CHECK: (0, 1)}
    checked = {level: [] for level in LEVELS}
    for prompt, response in islice(training_stream(SEED, "base", mixture, set()), 6_000):
        checked[sum(map(prompt.split(": ")[2].count, "+-*"))].append("Wait" in response)
    shares = [sum(of_level) / len(of_level) for of_level in checked.values()]
    assert shares == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1], abs=0.06)


@pytest.mark.parametrize(("style", "passes"), [(Style.STEPS, 1), (Style.ONE_CHECK, 2), (Style.TWO_CHECKS, 3)])
def test_worked_responses_show_every_step_in_every_pass(splits, style, passes):
    for question in splits["validation"]:
        response = question.response(style)
        steps = re.findall(r"(\d[-+*]\d)=(\d)\.", response)
        assert len(steps) == passes * question.level
        assert all(value_without_intermediate_modulo(step) == int(result) for step, result in steps)
        assert steps[-1][1] == str(question.answer)
        assert response.count("Wait, let me double-check.") == passes - 1


@pytest.mark.parametrize("style", Style)
def test_every_response_ends_in_its_boxed_answer(splits, style):
    for question in splits["validation"]:
        assert question.response(style).rstrip(".").endswith(rf" \boxed{{{question.answer}}}")


def test_worked_responses_are_spelled_as_documented(splits):
    question = next(q for q in splits["validation"] if q.level == 1)
    step = f" {question.expression}={question.answer}."
    ending = rf" The answer is \boxed{{{question.answer}}}."
    assert question.response(Style.ONE_CHECK) == f"{step} Wait, let me double-check.{step}{ending}"


@pytest.mark.parametrize(
    "text",
    [
        "Janet’s ducks lay 16 eggs per day; letters, messages, islands.",
        "emoji 🦆👩‍🚀, 中文问题, العربية",
        "".join(map(chr, range(256))),
        r"$$\frac{\sqrt{2}}{x^{2}} \text{ is } \boxed{\frac{1}{2}}$$",
        "  runs   of    spaces  \n\n\n\tand \r\n lines \n",
        " Wait Wait  Wait, let me double-checked The answer is  \\boxed{\\boxed{",
        "",
    ],
)
def test_tokenizer_gives_any_text_back(tokenizer, text):
    ids = tokenizer.encode(text)
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids) == text


def test_tokenizer_composes_characters_as_every_qwen_tokenizer_does(tokenizer):
    assert tokenizer.decode(tokenizer.encode("e\u0301")) == "\u00e9"


def test_each_digit_and_symbol_of_a_response_is_one_token(tokenizer):
    assert len(tokenizer.encode(r" \boxed{7}")) == 3
    assert len(tokenizer.encode(" 3*4=2.")) == 7
    assert len(tokenizer.encode(" Wait, let me double-check.")) == 6


def test_tokenizer_is_the_one_that_the_training_code_builds(tokenizer):
    built = build_tokenizer()
    assert json.loads(tokenizer.backend_tokenizer.to_str()) == json.loads(built.backend_tokenizer.to_str())


def test_response_is_tokenized_alike_alone_and_after_its_prompt(tokenizer, splits):
    for question in splits["validation"][:60]:
        for style in Style:
            prompt, response = question.prompt, question.response(style)
            assert tokenizer.encode(prompt + response) == tokenizer.encode(prompt) + tokenizer.encode(response)


@pytest.mark.parametrize("name", MODELS)
def test_models_are_tiny_qwen2_with_heads_of_32(name):
    config = json.loads((DEMO / name / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["Qwen2ForCausalLM"]
    assert config["model_type"] == "qwen2"
    assert config["hidden_size"] / config["num_attention_heads"] == 32
    assert config["max_position_embeddings"] == 2048
    assert config["tie_word_embeddings"] is False
    assert config["dtype"] == "bfloat16"


@pytest.mark.parametrize("name", MODELS)
def test_generation_is_greedy_and_ends_at_the_end_of_text(tokenizer, name):
    generation = json.loads((DEMO / name / "generation_config.json").read_text(encoding="utf-8"))
    assert not generation.get("do_sample", False)
    assert generation["eos_token_id"] == generation["pad_token_id"] == tokenizer.eos_token_id
    assert tokenizer.pad_token == tokenizer.eos_token == "<|endoftext|>"


def test_demo_files_stay_small():
    assert sum(path.stat().st_size for path in DEMO.rglob("*") if path.is_file()) < 4e6
