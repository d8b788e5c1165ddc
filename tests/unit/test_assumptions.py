"""Every assumption is marked where it is made and listed in config/assumptions.yaml, and the plan shows it."""

import re
import shutil

import pytest
import yaml
from support import DEMO, ROOT

from l2s.contracts.parquet import table_of, write_table
from l2s.contracts.questions import QUESTIONS
from l2s.errors import UserError
from l2s.experiment import Experiment
from l2s.experiment.assumptions import assumptions_of, read_assumptions
from l2s.plan.prompts import check_prompts, tokenizer_folder
from l2s.plan.report import assumptions_table, unreachable_budgets

CONFIG = ROOT / "config"
MARK = re.compile(r"ASSUME\((\w+)\)")
PLACES = ("config", "scripts", "workflow", "Snakefile", "profiles")
LIST = CONFIG / "assumptions.yaml"


def load(name, config, **changes):
    return Experiment({**yaml.safe_load((config / f"{name}.yaml").read_text()), **changes}, config)


def marked_files():
    roots = [ROOT / place for place in PLACES]
    files = [file for root in roots for file in ([root] if root.is_file() else root.rglob("*"))]
    texts = [file for file in files if file.suffix in (".yaml", ".py", ".smk", ".md", "") and file.is_file()]
    return [file for file in texts if file != LIST and "__pycache__" not in file.parts]


def test_every_mark_has_an_entry_and_every_entry_a_mark():
    marks = {mark for file in marked_files() for mark in MARK.findall(file.read_text(encoding="utf-8"))}
    assert marks == read_assumptions(CONFIG).keys()


def test_no_mark_lacks_a_name():
    nameless = [str(file) for file in marked_files() if re.search(r"\bASSUME\b(?!\(\w+\))", file.read_text("utf-8"))]
    assert nameless == []


def of_published(folder, config=CONFIG):
    return {name: one for name, one in read_assumptions(config).items() if one.published == folder}


def test_studies_that_measure_assumptions_belong_to_the_configuration_that_is_compared():
    paper = yaml.safe_load((CONFIG / "studies" / "paper.yaml").read_text())["studies"]
    beyond = yaml.safe_load((CONFIG / "beyond.yaml").read_text())["studies"]
    for folder, studies in (("paper", paper), ("beyond", beyond)):
        measured = {one.study for one in of_published(folder).values()} - {None}
        assert measured
        assert measured <= set(studies)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"study": "table_0"}, r"key 'assumptions.bos.study'.*'table_0' is unknown.*did you mean 'table_"),
        (
            {"reaches": {"table": ["7"]}},
            r"key 'assumptions.bos.reaches.table': no row of .*paper has 7; correct",
        ),
        ({"reaches": {"table": ["2"], "pair": ["7b"]}}, r"key 'assumptions.bos.reaches': no row .* fits all"),
        ({"reaches": {"tables": ["2"]}}, r"unknown key 'assumptions.bos.reaches.tables'"),
        ({"alternatives": []}, r"key 'assumptions.bos.alternatives'"),
    ],
)
def test_mistakes_in_the_list_are_named(config, changes, message):
    values = yaml.safe_load((config / "assumptions.yaml").read_text())
    values["assumptions"]["bos"].update(changes)
    (config / "assumptions.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(UserError, match=message):
        read_assumptions(config)


def test_a_plan_of_the_paper_shows_every_assumption(config):
    experiment = load("config", config)
    assert [name for name, _, _ in assumptions_of(experiment)] == list(of_published("paper", config))
    assert assumptions_table(experiment).row_count == len(of_published("paper", config))


def test_a_plan_of_newer_methods_shows_the_assumptions_about_them(config):
    shown = {name for name, _, _ in assumptions_of(load("beyond", config))}
    assert of_published("beyond", config).keys() <= shown


def test_a_plan_of_other_models_shows_none(config):
    assert list(assumptions_of(load("demo", config))) == []


def test_a_plan_of_one_table_shows_and_counts_what_reaches_it(config):
    found = {name: numbers for name, _, numbers in assumptions_of(load("config", config, studies=["table_2"]))}
    assert "tied_head" in found and "reflection" in found
    assert not {"twin_weight", "dpo_best", "qwen3_prompt", "table_5_files"} & found.keys()
    # Five merges, three benchmarks, three numbers each.
    assert found["tied_head"] == 45


def test_a_plan_says_once_who_cannot_use_up_the_budget(config):
    said = unreachable_budgets(load("config", config))
    names = [sentence.split(":")[0] for sentence in said]
    # Merges as released have the context length of the base, whatever they are read at.
    assert [name for name in names if "released" not in name] == ["Qwen2.5-Math-1.5B", "Qwen2.5-Math-7B"]
    assert len(names) == len(set(names))


def write_question(experiment_folder):
    row = {"benchmark": "demo_arithmetic", "question_id": "0", "question": "1+1?", "gold": "2", "level": 1}
    path = experiment_folder / "questions" / "demo_arithmetic.parquet"
    path.parent.mkdir(parents=True)
    write_table(table_of([row], QUESTIONS), path)


def test_a_plan_shows_the_first_prompt_of_models_that_are_here(config, tmp_path):
    write_question(tmp_path / "r")
    checks = list(check_prompts(load("demo", config, results="r", studies=["demo"])))
    assert [check.good for check in checks] == [True, True]
    assert checks[0].line.startswith("demo-quick, demo, demo_arithmetic: first prompt, ")
    assert "Question: 1+1?" in checks[0].line


def test_a_plan_shows_no_prompt_before_the_questions_are_loaded(config):
    assert list(check_prompts(load("demo", config, results="r"))) == []


def test_a_plan_says_what_is_wrong_with_a_prompt(config, tmp_path):
    write_question(tmp_path / "r")
    path = config / "decoding" / "demo.yaml"
    path.write_text(path.read_text().replace("prompt: demo", "prompt: chat"))
    checks = list(check_prompts(load("demo", config, results="r", studies=["demo"])))
    assert [check.good for check in checks] == [False, False]
    assert "the tokenizer has no chat template" in checks[0].line


def test_a_model_of_the_hub_is_here_if_the_cache_has_its_tokenizer(config, tmp_path, monkeypatch):
    entry = load("config", config).registry.model("qwen2.5-math-7b")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert tokenizer_folder(entry) is None
    snapshot = tmp_path / "hub" / f"models--{entry.repo.replace('/', '--')}" / "snapshots" / entry.revision
    snapshot.mkdir(parents=True)
    shutil.copy(DEMO / "quick" / "tokenizer.json", snapshot)
    assert tokenizer_folder(entry) == snapshot
