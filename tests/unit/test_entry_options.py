"""What a command line's option and a rule may give as an entry."""

import json

import pytest

from l2s.config import CONFIG, entry_of_rule, entry_option, entry_path
from l2s.decoding.settings import PromptEntry
from l2s.errors import UserError

DEMO = {"template": "{question}"}
parse = entry_option("prompts", PromptEntry, "--prompt")


def test_an_entry_is_given_by_its_name_or_as_a_file(tmp_path):
    by_name = parse("demo")
    assert (by_name.name, by_name.where) == ("demo", str(CONFIG / "prompts" / "demo.yaml"))
    (tmp_path / "mine.yaml").write_text(json.dumps(DEMO))
    mine = parse(str(tmp_path / "mine.yaml"))
    assert (mine.name, mine.entry, mine.where) == ("mine", PromptEntry(**DEMO), str(tmp_path / "mine.yaml"))


def test_an_unknown_name_is_told_with_the_option_and_the_nearest_name():
    with pytest.raises(UserError, match=r"^--prompt: 'dmeo' is unknown: .*did you mean 'demo'\?$"):
        parse("dmeo")


def test_an_entrys_name_wins_over_a_file_and_a_file_of_any_suffix_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("demo", "mine.txt"):
        (tmp_path / name).write_text("")
    folder = CONFIG / "prompts"
    assert entry_path(folder, "demo", "--prompt") == folder / "demo.yaml"
    assert str(entry_path(folder, "mine.txt", "--prompt")) == "mine.txt"


def test_an_entry_of_a_rule_is_called_by_its_file():
    assert entry_of_rule("prompts", PromptEntry, "demo", DEMO).entry == PromptEntry(**DEMO)
    with pytest.raises(UserError, match=r"^config/prompts/demo\.yaml: unknown key 'tmplate'"):
        entry_of_rule("prompts", PromptEntry, "demo", {"tmplate": "x"})
