"""What the paper's prompts and the demo's render to, pinned as text and as token ids of the demo's tokenizer.

A change here changes every response decoded with the prompt. The few-shot prompt shows other people's examples,
so that its text is pinned by sha256 only.
"""

import hashlib
import json
from pathlib import Path

import pytest
from support import DEMO, ROOT
from transformers import PreTrainedTokenizerFast

from l2s.config import read_entry
from l2s.decoding.prompts import Example, Prompt
from l2s.decoding.settings import PromptEntry
from l2s.decoding.store import ids_bytes

PROMPTS = ROOT / "config" / "prompts"
GOLDEN = json.loads((Path(__file__).parent / "prompts.json").read_text(encoding="utf-8"))
QUESTION = "From left to right, modulo 10: 3*4+9"


def shipped(name, tokenizer, examples=None):
    return Prompt(read_entry(PROMPTS / f"{name}.yaml", PromptEntry), tokenizer, examples)


def demo_tokenizer():
    """The demo's tokenizer with a begin-of-sequence token and a chat template in the manner of DeepSeek-R1's."""
    template = (
        "{{ bos_token }}{% for message in messages %}<|{{ message.role }}|>{{ message.content }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}"
    )
    return PreTrainedTokenizerFast.from_pretrained(
        DEMO / "slow", bos_token="<|endoftext|>", add_bos_token=True, chat_template=template
    )


@pytest.mark.parametrize("name", GOLDEN["prompts"])
def test_prompt_renders_to_the_pinned_text_and_ids(name):
    prompt = shipped(name, demo_tokenizer())
    text = prompt.text("any", QUESTION)
    assert text == GOLDEN["prompts"][name]["text"]
    assert list(prompt.ids(text)) == GOLDEN["prompts"][name]["ids"]


@pytest.mark.parametrize("benchmark", GOLDEN["cot"])
def test_few_shot_prompt_renders_real_demonstrations_to_the_pinned_digests(real_data, benchmark):
    sets = json.loads((real_data / "few_shot_demos.json").read_text(encoding="utf-8"))["demos"]
    examples = {name: [Example(**row) for row in rows] for name, rows in sets.items()}
    prompt = shipped("cot", demo_tokenizer(), examples)
    text = prompt.text(benchmark, QUESTION)
    assert text.endswith(f"\n\n\nQuestion: {QUESTION}\nAnswer:")
    ids = prompt.ids(text)
    digests = {
        "text_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "ids_sha256": hashlib.sha256(ids_bytes(ids)).hexdigest(),
        "tokens": len(ids),
    }
    assert digests == GOLDEN["cot"][benchmark]


@pytest.mark.parametrize("name", GOLDEN["stop"])
def test_prompt_has_the_pinned_stop_strings(name):
    assert list(read_entry(PROMPTS / f"{name}.yaml", PromptEntry).stop) == GOLDEN["stop"][name]
