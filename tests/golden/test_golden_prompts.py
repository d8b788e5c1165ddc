"""What the paper's prompts and the demo's render to, pinned as text and as token ids of tokenizers built as published.

A change here changes every response decoded with the prompt. The few-shot prompt shows other people's examples,
so that its text is pinned by sha256 only.
"""

import hashlib
import json
from pathlib import Path

import published_tokenizers
import pytest
from support import DEMO, ROOT

from l2s.checkpoints.tokenizer import load_tokenizer
from l2s.config import read_entry
from l2s.decoding.prompts import Example, Prompt
from l2s.decoding.settings import PromptEntry
from l2s.decoding.store import ids_bytes
from l2s.sources.benchmarks import BenchmarkEntry

PROMPTS = ROOT / "config" / "prompts"
GOLDEN = json.loads((Path(__file__).parent / "prompts.json").read_text(encoding="utf-8"))
QUESTION = "From left to right, modulo 10: 3*4+9"
SUMS = {"gsm8k": [Example("1+2?", "3")]}


def tokenizer_of(kind, folder):
    """Load the demo's tokenizer, or one from files built as those of a publisher."""
    if kind == "demo":
        return load_tokenizer(DEMO / "slow")
    return load_tokenizer(getattr(published_tokenizers, kind)(folder / kind))


def shipped(name, tokenizer, examples=None):
    return Prompt(read_entry(PROMPTS / f"{name}.yaml", PromptEntry), tokenizer, examples)


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in GOLDEN["prompts"] for name in GOLDEN["prompts"][kind]]
)
def test_prompt_renders_to_the_pinned_text_and_ids(tmp_path, kind, name):
    prompt = shipped(name, tokenizer_of(kind, tmp_path), SUMS if name == "rehearsal-cot" else None)
    text = prompt.text("gsm8k", QUESTION)
    assert text == GOLDEN["prompts"][kind][name]["text"]
    assert list(prompt.ids(text)) == GOLDEN["prompts"][kind][name]["ids"]


def test_pinned_ids_begin_with_one_begin_token_where_the_files_ask_for_it(tmp_path):
    for kind, begins in {"demo": False, "deepseek": True, "qwen": False, "llama": True}.items():
        first = tokenizer_of(kind, tmp_path).bos_token_id
        for name, pinned in GOLDEN["prompts"][kind].items():
            assert pinned["ids"].count(first) == begins, name
            assert (pinned["ids"][0] == first) is begins, name


@pytest.mark.parametrize(
    ("kind", "benchmark"), [(kind, name) for kind in GOLDEN["cot"] for name in GOLDEN["cot"][kind]]
)
def test_few_shot_prompt_renders_real_examples_to_the_pinned_digests(real_data, tmp_path, kind, benchmark):
    sets = json.loads((real_data / "few_shot_demos.json").read_text(encoding="utf-8"))["demos"]
    entry = read_entry(ROOT / "config" / "benchmarks" / f"{benchmark}.yaml", BenchmarkEntry)
    prompt = shipped("cot", tokenizer_of(kind, tmp_path), {benchmark: [Example(**row) for row in sets[entry.examples]]})
    text = prompt.text(benchmark, QUESTION)
    assert text.endswith(f"\n\n\nQuestion: {QUESTION}\nAnswer:")
    ids = prompt.ids(text)
    digests = {
        "text_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "ids_sha256": hashlib.sha256(ids_bytes(ids)).hexdigest(),
        "tokens": len(ids),
    }
    assert digests == GOLDEN["cot"][kind][benchmark]


@pytest.mark.parametrize("name", GOLDEN["stop"])
def test_prompt_has_the_pinned_stop_strings(name):
    assert list(read_entry(PROMPTS / f"{name}.yaml", PromptEntry).stop) == GOLDEN["stop"][name]
