"""The configuration that shortens somebody's own model."""

import json
import shutil

import pytest
from support import DEMO, ROOT, copy_project

from l2s.config import read_yaml
from l2s.errors import UserError
from l2s.experiment import Experiment
from l2s.shorten.entries import Wanted, entries_of, write_entries
from l2s.shorten.models import by_layers, commit_of, model_entry
from l2s.shorten.questions import benchmark_entry

ROWS = [{"id": number, "Problem": f"What is {number} + 1?", "answer": f"… #### {number + 1}"} for number in range(600)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of the project, and its folder as the working directory."""
    copied = copy_project(tmp_path / "project")
    monkeypatch.chdir(copied)
    return copied


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "sums.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))
    return path


def wanted(file, **changed):
    values = {
        "name": "ours", "quick": str(DEMO / "quick"), "slow": str(DEMO / "slow"), "loss": 2.0,
        "benchmarks": [str(file), "demo_arithmetic"], "results": "results/ours", "prompt": "demo", "budget": 160,
        "calibration_data": None,
    }  # fmt: skip
    return Wanted(**{**values, **changed})


def test_what_is_written_is_a_configuration_that_stands_alone(folder, file):
    config = folder / "config"
    write_entries(entries_of(wanted(file), config), overwrite=False)
    top = read_yaml(config / "ours.yaml")
    study = Experiment(top, config).studies["ours"]
    assert (study.allowed_loss, study.benchmarks) == (2.0, ("ours-sums", "demo_arithmetic"))
    assert study.budgets == (80, 40, 20, 10)
    assert top == {"results": "results/ours", "studies": ["ours"], "keep_checkpoints": False}  # the rest is default


def test_every_file_names_its_schema(folder, file):
    entries = entries_of(wanted(file), folder / "config")
    write_entries(entries, overwrite=False)
    for path in entries:
        schema = path.read_text().split("\n", 1)[0].removeprefix("# yaml-language-server: $schema=")
        assert (path.parent / schema).resolve().parent == folder / "docs/schemas"


def test_the_same_again_changes_nothing_and_edited_files_are_kept(folder, file):
    entries = entries_of(wanted(file), folder / "config")
    write_entries(entries, overwrite=False)
    write_entries(entries, overwrite=False)
    edited = folder / "config/studies/ours.yaml"
    edited.write_text(edited.read_text().replace("allowed_loss: 2.0", "allowed_loss: 3.0"))
    with pytest.raises(UserError, match=r"ours\.yaml: would be written otherwise .*--configfile .*--overwrite"):
        write_entries(entries, overwrite=False)
    assert "3.0" in edited.read_text()
    write_entries(entries, overwrite=True)
    assert "2.0" in edited.read_text()


def test_usual_columns_are_found_and_an_answer_behind_a_solution(file):
    name, entry = benchmark_entry(str(file), "ours", ROOT / "config")
    assert name == "ours-sums"
    assert entry["question"] == {"column": "Problem"}
    assert entry["gold"] == {"column": "answer", "pattern": r"####\s*(.+)"}
    assert (entry["rows"], len(entry["sha256"])) == (600, 64)


def test_columns_that_cannot_be_guessed_are_named(tmp_path):
    path = tmp_path / "odd.jsonl"
    path.write_text(json.dumps({"q": "1 + 1?", "answer": "2"}))
    with pytest.raises(UserError, match=r"no column is called like one of questions .*; the columns are q, answer; "):
        benchmark_entry(str(path), "ours", ROOT / "config")


def test_a_benchmark_that_is_neither_entry_nor_file_is_refused():
    with pytest.raises(UserError, match=r"'gsm9k' is unknown.*did you mean 'gsm8k'"):
        benchmark_entry("gsm9k", "ours", ROOT / "config")


def test_a_model_that_is_neither_folder_nor_repository_is_refused():
    with pytest.raises(UserError, match=r"--slow ./nothing: there is no such folder"):
        model_entry("./nothing", "slow")


def test_a_commit_is_taken_as_it_is():
    commit = "0" * 40
    assert model_entry(f"owner/name@{commit}", "quick") == {"repo": "owner/name", "revision": commit, "label": "quick"}


def test_a_hub_that_does_not_answer_is_named_with_a_remedy(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"--quick: the hub could not say its commit .*give its commit, owner/name@<40"):
        commit_of("owner/name", None, "--quick")


@pytest.mark.parametrize("with_one", ["quick", "slow"])
def test_a_folder_without_chat_template_needs_a_prompt_whichever_model_it_is(folder, file, tmp_path, with_one):
    model = shutil.copytree(DEMO / with_one, tmp_path / with_one)
    (model / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    without = {"quick": "slow", "slow": "quick"}[with_one]
    refusal = f"{without}: its tokenizer has no chat template; name an entry of config/prompts with --prompt"
    with pytest.raises(UserError, match=refusal):
        entries_of(wanted(file, prompt=None, **{with_one: str(model)}), folder / "config")


def test_a_chat_prompt_has_one_beside_it_that_asks_for_brevity(folder, file):
    config = folder / "config"
    entries = entries_of(wanted(file, prompt="chat"), config)
    assert entries[config / "studies/ours.yaml"]["brief"] == "ours-brief"
    assert entries[config / "decoding/ours-brief.yaml"] == {"extends": "ours", "prompt": "ours-brief"}
    assert "Be brief" in entries[config / "prompts/ours-brief.yaml"]["chat"]["user"]


def test_layers_are_searched_in_thirds(tmp_path):
    (tmp_path / "config.json").write_text('{"num_hidden_layers": 28}')
    (recipe,) = by_layers({"path": str(tmp_path)})
    patterns = [f"model.layers.{{{part}}}.*" for part in ("0-8", "9-17", "18-27")]
    assert list(recipe["scale"]) == [*patterns, "*"]
    assert by_layers({"path": str(tmp_path / "nothing")}) == []


def test_calibrated_methods_are_searched_where_there_are_data(folder, file):
    config = folder / "config"
    write_entries(entries_of(wanted(file, calibration_data="demo"), config), overwrite=False)
    recipes = Experiment(read_yaml(config / "ours.yaml"), config).studies["ours"].recipes
    assert [recipe["method"] for recipe in recipes][-2:] == ["aim", "sens"]
    with pytest.raises(UserError, match="'demi' is unknown"):
        entries_of(wanted(file, calibration_data="demi"), config)
