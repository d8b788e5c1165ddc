"""A change of a prompt or a budget makes exactly the responses stale that follow from it."""

import json

import pytest
import yaml
from project import AFTER_GRADES, by_rule

from l2s.sources.pinning import rows_digest

SETS = {
    "easy": [{"question": "1+1", "answer": "1+1=2. The answer is \\boxed{2}."}],
    "hard": [{"question": "2*2*2", "answer": "2*2=4. 4*2=8. The answer is \\boxed{8}."}],
}
STUDIES = {"one": ("demo-slow", "demo_arithmetic"), "two": ("demo-quick", "demo_validation")}


@pytest.fixture(scope="module")
def with_examples(finished_demo, tmp_path_factory):
    """The finished demo, and two studies with a few-shot prompt, of a model and a benchmark each; all have run."""
    project = finished_demo.clone(tmp_path_factory.mktemp("shots") / "project")
    project.write("demos.json", json.dumps(SETS))
    (project.folder / "config/examples").mkdir(exist_ok=True)
    entries = {
        "examples/mine": {"path": "demos.json", "sets": {name: rows_digest(SETS[name]) for name in SETS}},
        "prompts/shots": {
            "template": "Question: {question}\nAnswer:",
            "few_shot": {
                "examples": "mine",
                "template": "Question: {question}\nAnswer: {answer}",
                "separator": "\n",
            },
            "stop": ["\nQuestion:"],
        },
    }
    for benchmark, name in {"demo_arithmetic": "easy", "demo_validation": "hard"}.items():
        project.edit(f"config/benchmarks/{benchmark}.yaml", "rows: ", f"examples: {name}\nrows: ")
    demo = yaml.safe_load((project.folder / "config/decoding/demo.yaml").read_text())
    entries["decoding/shots"] = {**demo, "prompt": "shots", "max_new_tokens": 8}
    study = yaml.safe_load((project.folder / "config/studies/demo.yaml").read_text())
    for name, (model, benchmark) in STUDIES.items():
        entries[f"pairs/{name}"] = {"slow": [model]}
        own = {"pairs": [name], "recipes": [], "benchmarks": [benchmark], "decoding": "shots", "figures": []}
        entries[f"studies/{name}"] = {**study, **own}
    for name, values in entries.items():
        project.write(f"config/{name}.yaml", yaml.safe_dump(values))
    project.write("config/both.yaml", "results: results/demo\nstudies: [demo, one, two]\nmerge_threads: 1\n")
    project.run(config="config/both.yaml")
    return project


@pytest.fixture
def project(with_examples, tmp_path):
    clone = with_examples.clone(tmp_path / "project")
    clone.write("demos.json", json.dumps(SETS))
    return clone


def stale(project):
    return project.stale(config="config/both.yaml")


def decoded(project):
    return [job.checkpoint for job in stale(project) if job.rule == "decode"]


def test_examples_are_in_the_prompt_and_nothing_is_stale_after(project):
    assert stale(project) == []
    sidecar = json.loads((project.folder / "results/demo/responses/models/demo-quick/shots.json").read_text())
    assert sidecar["first_prompt"].startswith("Question: 2*2*2\nAnswer: 2*2=4.")
    assert sidecar["settings"]["stop_strings"] == ["\nQuestion:"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("'Question: {question}\n\n  Answer:'", "'{question}\n\n  Answer:'"),
        ("stop:", "parse_special_tokens: false\nstop:"),
    ],
)
def test_changed_prompt_decodes_again_what_it_asks_and_nothing_else(project, old, new):
    project.edit("config/prompts/shots.yaml", old, new)
    assert sorted(decoded(project)) == ["models/demo-quick", "models/demo-slow"]
    expected = {"decode": 2, "grade": 4, "shard_responses": 2, "write_page": 4, **dict.fromkeys(AFTER_GRADES, 2)}
    assert by_rule(stale(project)) == expected


def test_changed_examples_decode_again_the_checkpoints_that_are_shown_them(project):
    project.edit("config/benchmarks/demo_validation.yaml", "examples: hard", "examples: easy")
    assert decoded(project) == ["models/demo-quick"]


def test_examples_of_a_benchmark_that_nobody_asks_for_schedule_nothing(project):
    project.edit("config/benchmarks/gsm8k.yaml", "examples: gsm8k", "examples: math")
    assert stale(project) == []


def test_examples_that_are_no_longer_the_pinned_ones_stop_the_run(project):
    changed = {**SETS, "hard": [{"question": "2", "answer": "2"}]}
    project.write("demos.json", json.dumps(changed))
    assert by_rule(stale(project))["load_examples"] == 2
    done = project.snakemake(config="config/both.yaml")
    assert done.returncode == 1
    assert "error: config/examples/mine.yaml (demos.json), set 'hard': the sha256 of the rows is" in done.stdout


def test_changed_budget_of_a_role_decodes_again_that_role_only(demo):
    by_role = "max_new_tokens: {quick: 160, slow: 160, merged: 160}"
    demo.edit("config/decoding/demo.yaml", "max_new_tokens: 160", by_role)
    assert demo.stale() == []
    demo.edit("config/decoding/demo.yaml", "merged: 160", "merged: 161")
    again = {job.checkpoint for job in demo.stale() if job.rule == "decode"}
    decoded = (
        path.relative_to(demo.folder / "results/demo/responses").parent
        for path in demo.folder.glob("results/demo/responses/**/demo.parquet")
    )
    assert again == {str(name) for name in decoded if name.parts[0] != "models"} != set()
