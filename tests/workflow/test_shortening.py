"""The search on the demo pair: killed in between, on questions apart, and with a promise that nothing keeps."""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from project import SNAKEMAKE, by_rule, new_project
from transformers import AutoModelForCausalLM, AutoTokenizer

from l2s.checkpoints.weights import Checkpoint
from l2s.contracts.parquet import read_table
from l2s.contracts.questions import QUESTIONS
from l2s.crate.verify import read_files, verify

CONFIG = "config/tiny.yaml"
FILES = {
    CONFIG: """\
results: results/tiny
studies: [tiny, hopeless]
keep_checkpoints: false
first_questions: 140
merge_threads: 1
calibration_device: cpu
calibration_threads: 1
calibration_gb: 1
""",
    "config/studies/tiny.yaml": """\
kind: search
title: Tiny
pair: demo
recipes: [{method: task_arithmetic, scale: [0.3, 0.6, 0.65, 0.7, 1.0]}]
plain: [ties]
benchmarks: [demo_arithmetic]
decoding: demo
grader: math_verify
brief: tiny-brief
allowed_loss: 6
budgets: [32]
rounds: [{questions: 10, proposed: 3}, {questions: 20, proposed: 1, kept: 1}]
finalists: 2
""",
    "config/decoding/tiny-brief.yaml": "{extends: demo, prompt: tiny-brief}\n",
    "config/prompts/tiny-brief.yaml": 'template: "Question: {question}\\nBe brief.\\nAnswer:"\n',
    "config/studies/hopeless.yaml": """\
extends: tiny
title: Hopeless
recipes: [{method: task_arithmetic, scale: [0.1]}]
plain: []
brief: null
budgets: []
rounds: [{questions: 10, proposed: 1}]
""",
}


def kill_after(project, rule):
    """Start the workflow, and kill it and its jobs when a job of this rule has made something."""
    logs = project.folder / "results/tiny/logs" / rule
    before = set(logs.rglob("*.log"))
    command = [str(SNAKEMAKE), "--cores", "2", "--configfile", CONFIG]
    process = subprocess.Popen(command, cwd=project.folder, start_new_session=True, stderr=subprocess.DEVNULL)
    while process.poll() is None and not set(logs.rglob("*.log")) - before:
        time.sleep(0.1)
    killed = process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    project.run("--unlock", config=CONFIG)
    return killed


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A project in which the search has been run, killed twice in between."""
    project = new_project(tmp_path_factory.mktemp("search"))
    for file, text in FILES.items():
        project.write(file, text)
    assert kill_after(project, "decode")
    assert kill_after(project, "grade")
    project.run(config=CONFIG)
    return project


def verdict(project, study, results="tiny"):
    return json.loads((project.folder / f"results/{results}/shortened/{study}/verdict.json").read_text())


def test_a_setting_that_keeps_the_promise_is_found_and_its_folder_loads(searched):
    found = verdict(searched, "tiny")
    assert found["sentence"].startswith("shown: at most ")
    assert found["found"]["checkpoint"].startswith("demo/")
    folder = searched.folder / "results/tiny/shortened/tiny/model"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert model.generate(**tokenizer("Question: ", return_tensors="pt"), max_new_tokens=2).shape[1] > 1
    assert (folder / "generation_config.json").is_file()
    card = (folder / "README.md").read_text()
    assert found["sentence"] in card
    assert "## Measured" in card
    manifest = searched.folder / f"results/tiny/checkpoints/{found['found']['checkpoint']}/manifest.json"
    assert Checkpoint.from_folder(folder).manifest.tensors == Checkpoint.find(str(manifest)).manifest.tensors
    assert found["sentence"] in (searched.folder / "results/tiny/shortened/tiny/index.html").read_text()


def test_what_is_cheaper_is_asked_the_same_questions(searched):
    report = verdict(searched, "tiny")["report"]
    assert {one["kind"] for one in report} >= {"quick", "slow", "finalist", "budget", "brief"}
    cut = next(one["overall"] for one in report if one["kind"] == "budget")
    assert cut["tokens"] <= 32
    assert cut["verdict"] == "refuted"
    brief = next(one for one in report if one["kind"] == "brief")
    assert brief["checkpoint"] == "models/demo-slow"


def test_a_promise_that_nothing_keeps_has_a_front_and_no_folder(searched):
    found = verdict(searched, "hopeless")
    assert found["found"] is None
    assert found["sentence"].startswith("not shown that no more than 6 points are lost")
    assert found["tried"]
    folder = searched.folder / "results/tiny/shortened/hopeless"
    assert sorted(path.name for path in folder.iterdir()) == ["index.html", "verdict.json"]
    assert "There is no model in this folder" in (folder / "index.html").read_text()


def test_nothing_that_was_selected_on_is_reported_on(searched):
    folder = searched.folder / "results/tiny/questions"
    parts = {path.stem: read_table(path, QUESTIONS) for path in folder.glob("*~tiny~*.parquet")}
    asked = {name.split("~")[-1]: set(table["question"].to_pylist()) for name, table in parts.items()}
    assert set(asked) == {"1", "2", "report"}
    assert asked["1"] < asked["2"]
    assert not (asked["1"] | asked["2"]) & asked["report"]


def test_weights_exist_only_while_they_are_decoded_and_in_the_result(searched):
    weights = {path.parent.name for path in searched.folder.glob("results/tiny/**/*.safetensors")}
    assert weights == {"model"}
    assert not list(searched.folder.glob("results/tiny/scratch/*"))


def test_nothing_is_left_to_do_and_the_crate_holds_the_search(searched):
    assert searched.stale(config=CONFIG) == []
    results = searched.folder / "results/tiny"
    assert "shortened/tiny/verdict.json" in read_files(results / "ro-crate-metadata.json")
    assert verify(results).sound


def test_a_run_that_was_not_interrupted_ends_with_the_same(searched):
    again = searched.folder / "results/again"
    shutil.copytree(searched.folder / "results/tiny/store", again / "store")  # so that nothing is decoded again
    searched.run("--config", "results=results/again", "--", "tiny", config=CONFIG)
    assert verdict(searched, "tiny", "again") == verdict(searched, "tiny")


def test_one_more_round_keeps_what_earlier_rounds_decoded(searched):
    searched.edit("config/studies/tiny.yaml", "kept: 1}]", "kept: 1}, {questions: 30, kept: 2}]")
    stale = by_rule(searched.stale("--", "tiny", config=CONFIG))
    assert stale["propose"] == 2  # the new round and the report; what the report asks is known only afterwards
    assert not stale["decode"]
