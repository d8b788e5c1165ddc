"""Chat templates and tokenizers from outside: what they cannot do, and what they must not hide."""

import json
import shutil

import pytest
from hostile import refused
from support import DEMO

from l2s.checkpoints.tokenizer import load_tokenizer
from l2s.decoding import prompts
from l2s.decoding.model import read_model
from l2s.decoding.prompts import Prompt
from l2s.decoding.session import Question, Session
from l2s.decoding.settings import DecodingEntry, PromptEntry
from l2s.decoding.store import ResponseStore

CHAT = PromptEntry(chat={"user": "{question}"})
TEMPLATES = {
    "the shell": "{{ cycler.__init__.__globals__.os.system('touch evil') }}",
    "subclasses": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "globals": "{{ self.__init__.__globals__ }}",
    "a file": "{% include '/etc/passwd' %}",
    "another template": "{% extends 'base.html' %}",
    "an import": "{% import 'os' as os %}",
    "formatting": "{{ '{0.__class__}'.format(messages) }}",
    "map with attributes": "{{ messages | map(attribute='__class__') | list }}",
    "attr": "{{ messages | attr('__class__') }}",
    "changed messages": "{{ messages.append(1) }}",
    "a huge range": "{% for a in range(10**9) %}{% endfor %}",
    "no end": "{% for message in messages %}",
    "no such filter": "{{ messages | evil }}",
    "a division by zero": "{{ 1 // 0 }}",
    "a key that is not there": "{{ messages[0].evil.evil }}",
    "an exception of its own": "{{ raise_exception('I refuse') }}",
    "recursion": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "ranges in ranges": "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}"
    "{% endfor %}{% endfor %}",
}


@pytest.fixture
def model(tmp_path):
    """A copy of the demo's slow model whose chat template a test writes: model(template) -> folder."""

    def make(template):
        folder = shutil.copytree(DEMO / "slow", tmp_path / "model", copy_function=shutil.copyfile)
        (folder / "chat_template.jinja").write_text(template)
        return folder

    return make


@pytest.mark.parametrize("case", TEMPLATES)
def test_a_chat_template_that_attacks_is_refused_with_one_line(model, tmp_path, monkeypatch, case):
    monkeypatch.setattr(prompts, "LONGEST_RENDERING", 0.3)
    monkeypatch.chdir(tmp_path)
    prompt = Prompt(CHAT, load_tokenizer(model(TEMPLATES[case])))
    try:
        text = prompt.text("b", "1+1")
    except Exception:
        with refused("model: the chat template refuses the prompt: ", tmp_path):
            prompt.text("b", "1+1")
    else:
        assert "class" not in text.replace("__class__", "") and "root:" not in text
    assert not (tmp_path / "evil").exists()


SAME = {
    "a constant": "Say 42.",
    "nothing but a remark": "{# nothing #}",
    "another message": "{% for message in messages %}{{ message.role }}{% endfor %}",
    "the first letter": "{{ messages[0].content[0] }}",
    "the message's length": "{{ messages[0].content | length }}",
}


def session(folder, entry, store, benchmarks):
    """Return a session with the questions of benchmarks."""
    chosen = DecodingEntry(prompt="x", max_new_tokens=9, engine="transformers", device="cpu", dtype="float32")
    read = read_model(folder, chosen)
    kept = ResponseStore(store, "c" * 64, {})
    return Session(64, chosen, Prompt(entry, read.tokenizer), None, kept, benchmarks)


@pytest.mark.parametrize("case", SAME)
def test_a_chat_template_that_asks_one_thing_for_all_questions_is_refused(model, tmp_path, case):
    folder = model(SAME[case])
    questions = [Question("sums", str(number), f"1+{number}") for number in range(3)]
    with refused(r"questions '0' and '1' of 'sums' have the same prompt", tmp_path):
        session(folder, CHAT, tmp_path / "store", [questions])


def test_questions_that_a_tokenizer_cannot_tell_apart_are_refused(model, tmp_path):
    folder = model("x")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    for name in [name for name in vocabulary if name.isdigit()]:
        del vocabulary[name]
    tokenizer["model"] |= {"unk_token": next(iter(vocabulary)), "merges": []}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    questions = [Question("sums", str(number), str(number)) for number in range(3)]
    entry = PromptEntry(template="{question}")
    with refused(r"have the same prompt .* or the tokenizer cannot tell them apart", tmp_path):
        session(folder, entry, tmp_path / "store", [questions])


def test_one_question_of_two_benchmarks_is_no_mistake(model, tmp_path):
    folder = model("{{ messages[0].content }}")
    asked = [[Question(name, "0", "1+1"), Question(name, "1", "2+2")] for name in ("a", "b")]
    assert [len(batch) for batch in session(folder, CHAT, tmp_path / "store", asked).batches] == [2, 2]
