"""What a command line's option and a rule may give as an entry."""

import json

import pytest

from l2s.checkpoints.manifest import read_manifest, write_manifest
from l2s.checkpoints.weights import describe_model
from l2s.config import CONFIG, entry_of_rule, entry_option, entry_path, named_path_option
from l2s.contracts.parquet import write_table
from l2s.decoding.settings import PromptEntry
from l2s.errors import UserError
from l2s.sources.benchmarks import find_questions
from l2s.sources.calibration_data import find_calibration_data

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


def test_questions_and_calibration_data_are_loaded_from_an_entry_or_read_from_parquet(tmp_path):
    for find, given, asked_by in [
        (find_questions, "demo_validation", "--benchmark"),
        (find_calibration_data, "demo", "--calibration-data"),
    ]:
        loaded = find(given, asked_by)
        write_table(loaded, tmp_path / "rows.parquet")
        assert find(str(tmp_path / "rows.parquet"), asked_by).equals(loaded)
        with pytest.raises(UserError, match=f"^{asked_by}: 'absent' is unknown"):
            find("absent", asked_by)
        with pytest.raises(UserError, match=r"absent\.parquet: no such file"):
            find(str(tmp_path / "absent.parquet"), asked_by)


@pytest.mark.parametrize("kind", ["fetched", "trained"])
def test_a_manifest_of_another_kind_is_refused(make_model, kind):
    folder = make_model("model", 0)
    manifest = describe_model(folder, str(folder)).model_copy(update={"kind": kind})
    write_manifest(manifest, folder / "manifest.json")
    assert read_manifest(folder / "manifest.json", kind) == manifest
    with pytest.raises(UserError, match=rf"manifest\.json: describes a {kind} checkpoint; give .* of a merged one"):
        read_manifest(folder / "manifest.json", "merged")


def test_a_named_path_becomes_absolute_and_half_of_one_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parse_path = named_path_option("--examples", "gsm8k=e.parquet")
    assert parse_path("a=b.parquet") == ("a", tmp_path / "b.parquet")
    for given in ("a", "a=", "=b", "="):
        with pytest.raises(UserError, match=f"^--examples {given}: give NAME=PATH, e.g. gsm8k=e.parquet$"):
            parse_path(given)
