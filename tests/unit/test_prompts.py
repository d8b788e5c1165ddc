"""Prompts are rendered to the letter by the checkpoint's own tokenizer; wrong entries are refused by their keys."""

import published_tokenizers
import pytest
from support import DEMO
from transformers import PreTrainedTokenizerFast

from l2s.checkpoints.tokenizer import load_tokenizer
from l2s.config import validate
from l2s.decoding.prompts import Example, Prompt
from l2s.decoding.settings import PromptEntry
from l2s.errors import UserError

BOS = "<|endoftext|>"  # the demo's one special token
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}[{{ message.role }}]{{ message.content }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]<think>\n{% endif %}"
)
FEW_SHOT = {
    "examples": "any",
    "template": "Q: {question}\nA: {answer}",
    "separator": "\n\n",
}
EXAMPLES = {
    "sums": [Example("1+1?", "2"), Example("{answer}?", "{question}!")],
    "chains": [Example("2*2?", "4")],
}


def tokenizer(**options):
    return PreTrainedTokenizerFast.from_pretrained(DEMO / "slow", **options)


def prompt(own=None, **entry):
    return Prompt(PromptEntry(**entry), own or tokenizer(), EXAMPLES if "few_shot" in entry else None)


def test_braces_and_places_inside_a_question_stay_as_they_are():
    rendered = prompt(template="Q: {question} A: {other} {answer}").text("any", "{question} {answer} {}")
    assert rendered == "Q: {question} {answer} {} A: {other} {answer}"


def test_each_benchmark_is_shown_its_own_examples():
    shown = prompt(template="Q: {question}\nA:", few_shot=FEW_SHOT)
    assert shown.text("sums", "5?") == "Q: 1+1?\nA: 2\n\nQ: {answer}?\nA: {question}!\n\nQ: 5?\nA:"
    assert shown.text("chains", "5?") == "Q: 2*2?\nA: 4\n\nQ: 5?\nA:"


def test_count_takes_examples_from_the_start_and_asks_for_no_more_than_there_are():
    one = prompt(template="Q: {question}\nA:", few_shot={**FEW_SHOT, "count": 1})
    assert one.text("sums", "5?") == "Q: 1+1?\nA: 2\n\nQ: 5?\nA:"
    with pytest.raises(UserError, match=r"asks for 2 examples, and the set of benchmark 'chains' has 1; lower 'few"):
        prompt(template="{question}", few_shot={**FEW_SHOT, "count": 2})


def test_the_set_is_the_benchmarks_unless_the_prompt_names_one_for_all():
    by_benchmark = PromptEntry(template="{question}", few_shot=FEW_SHOT)
    assert by_benchmark.set_for("easy", "b.yaml") == "easy"
    with pytest.raises(UserError, match=r"^b.yaml: key 'examples' is missing, .* name a set of 'any' there"):
        by_benchmark.set_for(None, "b.yaml")
    for_all = PromptEntry(template="{question}", few_shot={**FEW_SHOT, "set": "sums"})
    assert for_all.set_for("easy", "b.yaml") == for_all.set_for(None, "b.yaml") == "sums"
    assert PromptEntry(template="{question}").set_for("easy", "b.yaml") is None


def test_chat_template_gets_system_and_user_text_and_is_ready_to_answer():
    chat = {"system": "Be brief.", "user": "{question}\nThink."}
    with_template = tokenizer(chat_template=TEMPLATE, bos_token=BOS)
    rendered = prompt(with_template, chat=chat).text("any", "5?")
    assert rendered == f"{BOS}[system]Be brief.[user]5?\nThink.[assistant]<think>\n"
    del chat["system"]
    assert prompt(with_template, chat=chat).text("any", "5?") == f"{BOS}[user]5?\nThink.[assistant]<think>\n"


def test_tokenizer_without_chat_template_or_one_that_refuses_is_one_clear_line():
    with pytest.raises(UserError, match="slow: the tokenizer has no chat template"):
        prompt(chat={"user": "{question}"})
    refusing = tokenizer(chat_template="{{ raise_exception('no system message here') }}")
    with pytest.raises(UserError, match="the chat template refuses the prompt: no system message here"):
        prompt(refusing, chat={"user": "{question}"}).text("any", "5?")


@pytest.mark.parametrize("kind", ["deepseek", "llama"])
def test_begin_of_sequence_token_comes_once_or_the_prompt_is_refused(tmp_path, kind):
    adding = load_tokenizer(getattr(published_tokenizers, kind)(tmp_path / kind))
    first = adding.bos_token_id
    by_template = prompt(adding, chat={"user": "{question}"})
    ids = by_template.ids(by_template.text("any", "5?"))
    assert (ids[0], ids.count(first)) == (first, 1)
    ids = prompt(adding, template="{question}", add_special_tokens=True).ids("5?")
    assert ids == (first, *adding.encode("5?", add_special_tokens=False))
    twice = prompt(adding, chat={"user": "{question}"}, add_special_tokens=True)
    with pytest.raises(UserError, match=r"begins with .* and the tokenizer adds another one; set .* to false"):
        twice.ids(twice.text("any", "5?"))
    with pytest.raises(UserError, match=f"{kind}: texts are to begin with .* set the prompt's 'add_special_tokens' to"):
        prompt(adding, template="{question}").ids("5?")
    spelt = prompt(adding, chat={"user": "{question}"}, parse_special_tokens=False)
    with pytest.raises(UserError, match="set the prompt's 'parse_special_tokens' to true"):
        spelt.ids(spelt.text("any", "5?"))


def test_prompt_without_begin_token_is_right_where_the_tokenizer_has_none(tmp_path):
    qwen = load_tokenizer(published_tokenizers.qwen(tmp_path / "qwen"))
    for add in (False, True):
        ids = prompt(qwen, template="{question}", add_special_tokens=add).ids("5?")
        assert ids == tuple(qwen.encode("5?"))


def test_description_gives_token_ids_and_text_on_a_line_each(tmp_path):
    deepseek = load_tokenizer(published_tokenizers.deepseek(tmp_path / "deepseek"))
    described = prompt(deepseek, template="A: {question}\nB:", add_special_tokens=True)
    ids = " ".join(map(str, deepseek.encode("A: 5?\nB:")))
    assert described.describe("any", "5?") == (f"first prompt, 9 tokens: {ids}\nfirst prompt, its text: 'A: 5?\\nB:'")
    first, second = described.describe("any", "7" * 2000).splitlines()
    assert first.startswith(f"first prompt, 2,007 tokens: {deepseek.bos_token_id} ") and " … " in first
    assert "'A: 777" in second and second.endswith("777\\nB:'")
    assert len(first) < 150 and len(second) < 200


def test_special_tokens_in_the_text_are_tokens_only_if_the_prompt_says_so():
    special = tokenizer().eos_token_id
    assert prompt(template="{question}").ids(f"a{BOS}b").count(special) == 1
    spelt = prompt(template="{question}", parse_special_tokens=False).ids(f"a{BOS}b")
    assert special not in spelt
    assert tokenizer().decode(spelt) == f"a{BOS}b"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "give either 'template' or 'chat'"),
        ({"template": "{question}", "chat": {"user": "{question}"}}, "give either 'template' or 'chat'"),
        ({"template": "no place"}, "must hold {question} exactly once"),
        ({"template": "{question} {question}"}, "must hold {question} exactly once"),
        ({"chat": {"user": "no place"}}, "'user' must hold {question} exactly once"),
        ({"chat": {"user": "{question}", "sytem": "x"}}, "unknown key 'chat.sytem'"),
        ({"chat": {"user": "{question}"}, "few_shot": FEW_SHOT}, "'few_shot' goes with 'template'"),
        ({"template": "{question}", "few_shot": {**FEW_SHOT, "template": "{question}"}}, "must hold {answer} exactly"),
        ({"template": "{question}", "few_shot": {**FEW_SHOT, "count": 0}}, "key 'few_shot.count'"),
        ({"template": "{question}", "stop": [""]}, "an empty string in 'stop'"),
        ({"template": "{question}", "stops": []}, "unknown key 'stops'; did you mean 'stop'"),
    ],
)
def test_wrong_entry_is_named_by_key(values, message):
    with pytest.raises(UserError, match=message):
        validate(PromptEntry, values, "prompt.yaml")
