"""What follows from a study: the responses that it compares, the files that it is for, what its jobs may take."""

import json
import subprocess
import sys

import pytest
import yaml
from support import ROOT, copy_project

from l2s.config import read_entry
from l2s.errors import UserError
from l2s.experiment import Experiment
from l2s.experiment.registry import STUDY_KINDS
from l2s.experiment.study import Study
from l2s.layout import Layout
from l2s.modules import class_in, module_names, module_of
from l2s.plan.costs import Costs
from l2s.plan.estimates import Estimates

DEMO_CONFIG = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
LAYOUT = Layout("r")

NEW_KIND = '''"""A kind of study that somebody added."""

from typing import Literal

from l2s.experiment.study import Study


class ListStudy(Study):
    """Names its files itself."""

    kind: Literal["list_files"]
    files: tuple[str, ...]

    def outputs(self, name, experiment, layout):
        """Return the files."""
        return [f"{layout.results}/{name}/{file}" for file in self.files]
'''

BUILD = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from l2s.experiment import Experiment
from l2s.layout import Layout
config = {"results": "r", "studies": ["mine"], "merge_threads": 1, "title_prefix": "ONLY A TEST: "}
experiment = Experiment(config, Path("config"))
assert experiment.lines == experiment.asked == {}
print(json.dumps({"outputs": experiment.outputs("mine", Layout("r")), "title": experiment.studies["mine"].title}))
"""


@pytest.fixture
def demo(config):
    return Experiment(DEMO_CONFIG, config)


def test_every_kind_of_study_is_a_module_of_its_own_name():
    for kind in module_names(STUDY_KINDS):
        study = class_in(f"{STUDY_KINDS}.{kind}", Study)
        assert study.model_fields["kind"].annotation.__args__ == (kind,)


def test_a_kind_of_study_is_added_by_adding_its_module(tmp_path):
    project = copy_project(tmp_path / "project")
    (project / "scripts/l2s/experiment/studies/list_files.py").write_text(NEW_KIND)
    (project / "config/studies/mine.yaml").write_text("kind: list_files\ntitle: T\nfiles: [a, b]\n")
    command = [sys.executable, "-c", BUILD, str(project / "scripts")]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"outputs": ["r/mine/a", "r/mine/b"], "title": "ONLY A TEST: T"}


def test_a_table_compares_every_line_and_reference_and_draws_every_merge(demo):
    lines, merges = demo.lines["demo"], demo.merges
    compared = demo.compared("demo")
    assert compared == sorted({(line.checkpoint, "demo") for line in lines})
    drawn = [line.checkpoint for line in lines if line.checkpoint in merges]
    forms = ("html", "svg", "png")
    figures = [LAYOUT.figure("demo", figure, form) for figure in demo.studies["demo"].figures for form in forms]
    assert demo.outputs("demo", LAYOUT) == [
        *(LAYOUT.table("demo", form) for form in ("parquet", "csv", "md", "tex", "html")),
        LAYOUT.disagreements("demo"),
        LAYOUT.disagreements("demo", "html"),
        LAYOUT.responses_page("demo"),
        *figures,
        *(LAYOUT.merge_figure(merge, form) for merge in drawn for form in forms),
        LAYOUT.vega,
    ], "each form, so that one that was deleted is made again"


def test_the_page_of_responses_begins_with_the_reference_and_the_first_merge(demo):
    shown = demo.studies["demo"].responses_shown("demo", demo, LAYOUT)
    assert shown["first"] == "models/demo-slow" and shown["second"].startswith("demo/")
    assert [one["name"] for one in shown["checkpoints"]] == [line.checkpoint for line in demo.lines["demo"]]
    assert [one["label"] for one in shown["checkpoints"]] == [line.recipe for line in demo.lines["demo"]]
    assert {one["shard"] for one in shown["checkpoints"]} == {LAYOUT.shard(*one) for one in demo.compared("demo")}


def test_the_page_of_responses_also_shows_a_reference_that_has_no_line(config):
    (config / "studies/mine.yaml").write_text(
        "title: M\npairs: [demo]\nmodels: [demo-quick]\nrecipes: []\nbenchmarks: [demo_arithmetic]\n"
        "decoding: demo\ngrader: toolkit\n"
    )
    experiment = Experiment({**DEMO_CONFIG, "studies": ["mine"]}, config)
    shown = experiment.studies["mine"].responses_shown("mine", experiment, LAYOUT)
    assert [(one["label"], one["pair"]) for one in shown["checkpoints"]] == [("quick", "demo"), ("demo-slow", "demo")]
    assert (shown["first"], shown["second"]) == ("models/demo-slow", "models/demo-quick")
    assert shown["graders"][0] == "toolkit"


def test_a_table_is_specified_by_its_lines_and_the_files_of_their_checkpoints(demo):
    spec = demo.studies["demo"].spec("demo", demo, LAYOUT)
    assert (spec["study"], spec["reference"]) == ("demo", "slow")
    assert spec["questions"] == [LAYOUT.questions(name) for name in spec["benchmarks"]]
    assert {row["checkpoint"] for row in spec["rows"]} | {row["reference"] for row in spec["rows"]} == set(
        spec["checkpoints"]
    )
    files = spec["checkpoints"]["models/demo-slow"]
    assert files["responses"] == LAYOUT.responses("models/demo-slow", "demo")
    assert list(files["grades"].items()) == [
        (grader, LAYOUT.grades("models/demo-slow", "demo", grader)) for grader in ("math_verify", "toolkit")
    ], "the study's own grader first"


def test_a_table_of_pairs_with_different_references_names_none_of_them(config):
    (config / "pairs" / "other.yaml").write_text("slow: [demo-quick]\n")
    study = yaml.safe_load((config / "studies" / "demo.yaml").read_text())
    two = {**study, "pairs": ["demo", "other"], "recipes": [], "figures": []}
    (config / "studies" / "two.yaml").write_text(yaml.safe_dump(two))
    experiment = Experiment({**DEMO_CONFIG, "studies": ["two"]}, config)
    spec = experiment.studies["two"].spec("two", experiment, LAYOUT)
    assert spec["reference"] == "the pair's reference"


def test_noise_compares_each_lines_checkpoint_with_each_decode_settings_in_turn(demo):
    study, compared = demo.studies["demo_noise"], demo.compared("demo_noise")
    checkpoints = list(dict.fromkeys(checkpoint for checkpoint, _ in compared))
    assert checkpoints == list(dict.fromkeys(line.checkpoint for line in demo.lines["demo_noise"]))
    assert compared == [(name, decoding) for name in checkpoints for decoding in (study.decoding, *study.again)]
    assert demo.outputs("demo_noise", LAYOUT) == [
        LAYOUT.noise("demo_noise", form) for form in ("parquet", "md", "html")
    ]


def test_a_group_is_for_what_its_studies_are_for(config):
    (config / "studies" / "both.yaml").write_text("kind: group\ntitle: t\nstudies: [demo_spectra, demo_sweep]\n")
    experiment = Experiment({**DEMO_CONFIG, "studies": ["both"]}, config)
    parts = [experiment.outputs(name, LAYOUT) for name in ("demo_spectra", "demo_sweep")]
    drawn = [LAYOUT.spectra_figure("demo-quick", "demo-slow", form) for form in ("html", "svg", "png")]
    assert parts[0] == [*drawn, LAYOUT.vega]
    assert experiment.outputs("both", LAYOUT) == parts[0] + parts[1]


def test_calibrations_are_named_once_however_many_merges_read_them(config):
    study = yaml.safe_load((config / "studies" / "demo.yaml").read_text())
    recipes = [{"recipe": "aim", "calibration_data": "demo", "omega": [0.2, 0.4, 0.6]}]
    (config / "studies" / "swept.yaml").write_text(yaml.safe_dump({**study, "recipes": recipes}))
    experiment = Experiment({**DEMO_CONFIG, "studies": ["swept"]}, config)
    assert len(experiment.merges) == 3
    assert experiment.calibrations == ["activations/demo-quick/demo-quick"]


def test_files_of_a_local_model_are_named_and_of_one_on_the_hub_none(demo):
    files = demo.registry.model_files("demo-slow")
    assert "workflow/resources/demo/slow/model.safetensors" in files
    assert demo.registry.model_files("qwen2.5-math-7b") == []


def test_memory_and_time_of_a_decode_job_follow_its_weights_and_its_estimate(demo):
    costs = Costs(demo, read_entry(ROOT / "config" / "estimates.yaml", Estimates))
    job = ("models/demo-slow", "demo")
    assert demo.decoding_of(*job).dtype == "float32"
    assert costs.decode_memory(*job, 10**9) == 8000 + 5000
    assert costs.minutes(costs.decode_seconds(*job)) == 30 + round(4 * costs.decode_seconds(*job) / 60)


def test_unknown_module_is_named_with_its_nearest():
    with pytest.raises(UserError, match=r"^here: unknown kind of study 'tabel'; did you mean 'table'\?$"):
        module_of(STUDY_KINDS, "tabel", "here", "kind of study", "kinds of study")
    with pytest.raises(UserError, match=r"^here: unknown grader 'x'; the graders are .*math_verify"):
        module_of("l2s.grading.graders", "x", "here", "grader")


def test_module_with_two_classes_of_a_kind_is_refused(tmp_path, monkeypatch):
    text = NEW_KIND + "\n\nclass Other(ListStudy):\n    pass\n"
    (tmp_path / "two_kinds.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"two_kinds.py: must define exactly one concrete Study, found 2"):
        class_in("two_kinds", Study)
