"""Exactly the stale work runs again, on the real DAG of the finished demo."""

import json
import os
import shutil
from collections import Counter

import yaml
from project import by_rule, jobs_after, jobs_after_merging, new_project
from support import ROOT

from l2s.checkpoints.manifest import read_manifest
from l2s.contracts.calibration_data import CALIBRATION_DATA
from l2s.contracts.parquet import read_table

CONFIG = (ROOT / "config" / "demo.yaml").read_text()


def with_studies(names):
    """Return the demo's configuration with other studies."""
    return CONFIG.replace("studies: [demo, demo_spectra, demo_sweep, demo_levels, demo_noise]", f"studies: [{names}]")


def test_a_fresh_clone_with_results_and_metadata_has_nothing_to_do(demo):
    assert demo.stale() == []


def test_touching_every_file_schedules_nothing(demo):
    for path in demo.folder.rglob("*"):
        if path.is_file() and ".snakemake" not in path.parts:
            os.utime(path)
    assert demo.stale() == []


def test_comments_and_docstrings_edited_anywhere_schedule_nothing(demo):
    for pattern in ("scripts/**/*.py", "workflow/rules/*.smk", "config/**/*.yaml"):
        for path in demo.folder.glob(pattern):
            path.write_text(path.read_text() + "\n# a remark\n")
    for path in demo.folder.glob("scripts/**/*.py"):
        text = path.read_text()
        if text.startswith('"""'):
            path.write_text('"""Edited. ' + text[3:])
    demo.edit("scripts/l2s/merging/ties.py", '"""Trim, elect sign, disjoint mean."""', '"""Other words."""')
    assert demo.stale() == []


def test_jobs_that_share_questions_and_engines_give_the_same_responses_and_decode_none_again(demo):
    demo.edit("config/decoding/demo.yaml", "batch_size: 128", "batch_size: 128\nreplicas: 2\ncheckpoints_per_engine: 3")
    merges = sorted(name for name, decoding in demo.experiment().ahead if decoding == "demo" and "/ties/" in name)
    names = ["models/demo-quick", *demo.experiment().ahead[merges[0], "demo"].checkpoints]
    assert len(names) == 4
    folder = demo.folder / "results/demo"
    responses = [folder / f"responses/{name}/demo.parquet" for name in names]
    targets = [str(file.relative_to(demo.folder)) for file in responses]
    before = [file.read_bytes() for file in responses]
    for decoded in (0, 600):
        demo.run("--", *targets)
        assert [file.read_bytes() for file in responses] == before
        sidecars = [json.loads(file.with_suffix(".json").read_text()) for file in responses]
        assert {one["decoded_now"] for one in sidecars} == {decoded}
        assert len(list(folder.glob("ahead/**/*.json"))) == 4
        assert demo.stale("--", *targets) == []
        # Now without what is kept.
        for kept in ("store", "ahead", "responses"):
            shutil.rmtree(folder / kept)


def test_editing_a_method_schedules_the_checkpoints_that_reach_it_and_what_follows(demo):
    demo.edit("scripts/l2s/merging/ties.py", "mean.mul_(self.scale_of(", "mean.mul_(1.0 * self.scale_of(")
    jobs, experiment = demo.stale(), demo.experiment()
    reach_it = {"ties", "dare_ties", "aim", "lore"}
    assert {job.wildcards["method"] for job in jobs if job.rule == "merge"} == reach_it
    merges = {name for name, merge in experiment.merges.items() if merge.recipe.method.method in reach_it}
    assert by_rule(jobs) == jobs_after_merging(experiment, merges)


def test_editing_a_calibration_measures_it_again_and_no_other(demo):
    demo.edit("scripts/l2s/calibration/kinds/logit_distances.py", "total.mean()", "1.0 * total.mean()")
    jobs, experiment = demo.stale(), demo.experiment()
    merges, measured = set(), set()
    for name, merge in experiment.merges.items():
        of_kind = {read.name for read in merge.calibrations.values() if read.kind == "logit_distances"}
        measured |= of_kind
        merges |= {name} if of_kind else set()
    assert by_rule(jobs) == jobs_after_merging(experiment, merges) + Counter(calibrate=len(measured))
    assert {job.wildcards["kind"] for job in jobs if job.rule == "calibrate"} == {"logit_distances"}


def test_editing_code_around_a_training_makes_its_checkpoint_from_the_adapter_in_the_store(demo):
    demo.write("config/demo.yaml", with_studies("demo"))
    demo.edit("scripts/l2s/training/engine/run.py", 'LOCK_NAME = ".lock"', 'LOCK_NAME = ".held"')
    trainings = demo.experiment().trainings
    after = jobs_after(demo.experiment(), trainings)
    assert by_rule(demo.stale()) == after + Counter(train=len(trainings)) > Counter()
    (manifest,) = demo.folder.glob("results/demo/checkpoints/demo/dpo/*/manifest.json")
    before = read_manifest(manifest)
    demo.run("--", str(manifest.relative_to(demo.folder)))
    assert read_manifest(manifest) == before
    (log,) = demo.folder.glob("results/demo/logs/train/demo/dpo/*.log")
    assert "trained already" in log.read_text()


def test_sweeping_a_calibrated_method_measures_nothing_again(demo):
    before = set(demo.experiment().merges)
    demo.edit(
        "config/studies/demo.yaml",
        "{recipe: aim, calibration_data: demo}",
        "{recipe: aim, calibration_data: demo, omega: [0.4, 0.6]}",
    )
    swept = demo.experiment()
    (new,) = set(swept.merges) - before
    assert by_rule(demo.stale()) == jobs_after_merging(swept, {new})


def test_editing_either_source_of_joined_calibration_data_loads_them_again(tmp_path):
    project, target = new_project(tmp_path / "project"), "results/demo/calibration_data/joined.parquet"
    columns = {"question": {"column": "q"}, "quick": {"column": "short"}, "slow": {"text": "<think>{long}</think>"}}
    join = {"source": {"path": "second.jsonl"}, "column": "q"}
    entry = {"source": {"path": "first.jsonl"}, "join": join, **columns, "count": 1}
    project.write("config/calibration_data/joined.yaml", yaml.safe_dump(entry))
    project.write("first.jsonl", '{"q": "1+1", "short": "2"}\n')
    project.write("second.jsonl", '{"q": "1+1", "long": "1+1=2"}\n')
    project.run("--", target)
    assert project.stale("--", target) == []
    for file in ("first.jsonl", "second.jsonl"):
        project.edit(file, "2", "two")
        assert [job.rule for job in project.stale("--", target)] == ["load_calibration_data"]
        project.run("--", target)
    assert read_table(project.folder / target, CALIBRATION_DATA).to_pylist() == [
        {"row_id": "0", "question": "1+1", "quick_answer": "two", "slow_answer": "<think>1+1=two</think>"}
    ]


def test_editing_the_grader_grades_again_without_decoding(demo):
    demo.edit("scripts/l2s/grading/graders/math_verify.py", "[0-9]{1,1000}", "[0-9]{1,999}")
    experiment = demo.experiment()
    after = jobs_after(experiment, experiment.checkpoints)
    others = {
        one
        for name in experiment.lines
        if len(experiment.studies[name].graders) > 1
        for one in experiment.compared(name)
    }
    assert by_rule(demo.stale()) == after - Counter(decode=after["decode"], grade=len(others))


def test_editing_the_figure_draws_it_again_and_nothing_else(demo):
    demo.edit("scripts/l2s/analysis/figures/accuracy_length.py", "size=60", "size=61")
    drawn = [
        name for name, study in demo.experiment().studies.items() if "accuracy_length" in getattr(study, "figures", ())
    ]
    expected = [("draw_figure", {"study": name, "figure": "accuracy_length"}) for name in drawn]
    assert [job[:2] for job in demo.stale()] == expected != []


def test_editing_pages_writes_them_again_and_makes_no_table_and_packs_no_response(demo):
    demo.edit("scripts/l2s/pages/assets/compare.js", "against A", "against the first")
    tables = [study for study in demo.experiment().studies.values() if study.kind == "table"]
    assert by_rule(demo.stale()) == {"show_responses": len(tables)}
    demo.edit("scripts/l2s/pages/templates/table.html.j2", "The same as files", "As files")
    assert by_rule(demo.stale()) == {"show_responses": len(tables), "write_page": 2 * len(tables) + 1}


def test_changing_one_hyper_parameter_makes_one_new_checkpoint(demo):
    before = set(demo.experiment().merges)
    demo.edit("config/recipes/ties.yaml", "scale: 1.0", "scale: 0.9")
    changed = demo.experiment()
    (new,) = set(changed.merges) - before
    assert new.startswith("demo/ties/keep_fraction=0.2+scale=0.9+")
    assert by_rule(demo.stale()) == jobs_after_merging(changed, {new})


def test_changing_the_prompt_trains_and_decodes_again_but_merges_nothing(demo):
    demo.edit("config/prompts/demo.yaml", "Answer:", "Answer: ")
    experiment = demo.experiment()
    after = jobs_after(experiment, experiment.checkpoints)
    assert by_rule(demo.stale()) == after + Counter(train=len(experiment.trainings))


def test_deleted_weights_schedule_nothing_and_a_new_benchmark_rebuilds_them(demo):
    (manifest,) = demo.folder.glob("results/demo/checkpoints/demo/ties/*/manifest.json")
    weights = manifest.with_name("model.safetensors")
    before = weights.read_bytes()
    weights.unlink()
    assert demo.stale() == []

    demo.write("config/demo.yaml", with_studies("demo"))
    study = yaml.safe_load((demo.folder / "config/studies/demo.yaml").read_text())
    both = {**study, "recipes": ["ties"], "benchmarks": ["demo_arithmetic", "demo_validation"]}
    demo.write("config/studies/demo.yaml", yaml.safe_dump(both))
    experiment = demo.experiment()
    after = jobs_after(experiment, experiment.checkpoints)
    assert by_rule(demo.stale()) == after + Counter(load_questions=1)
    content_id = read_manifest(manifest).content_id
    demo.run()
    assert weights.read_bytes() == before
    assert read_manifest(manifest).content_id == content_id
    sidecars = [
        json.loads((demo.folder / f"results/demo/responses/{checkpoint}/demo.json").read_text())
        for checkpoint in ("models/demo-quick", "models/demo-slow", f"demo/ties/{manifest.parent.name}")
    ]
    assert [(sidecar["responses"], sidecar["decoded_now"]) for sidecar in sidecars] == [(900, 300)] * 3


def test_one_study_after_another_never_undoes_the_others_work(demo):
    study = yaml.safe_load((demo.folder / "config/studies/demo.yaml").read_text())
    for name, benchmark, recipes in (
        ("one", "demo_arithmetic", ["ties"]),
        ("two", "demo_validation", ["ties", "average"]),
    ):
        entry = {**study, "benchmarks": [benchmark], "recipes": recipes}
        del entry["audits"]  # one study's only
        demo.write(f"config/studies/{name}.yaml", yaml.safe_dump(entry))
    demo.write("config/both.yaml", with_studies("one, two"))
    both = {"config": "config/both.yaml"}
    demo.run("--", "one", **both)
    demo.run("--", "two", **both)
    assert demo.stale("--", "one", **both) == demo.stale("--", "two", **both) == demo.stale(**both) == []


def test_editing_the_engine_decodes_again_and_not_from_the_store(demo):
    demo.edit("scripts/l2s/decoding/engines/transformers_engine.py", "logits.argmax(dim=-1)", "logits.argmin(dim=-1)")
    responses = "results/demo/responses/models/demo-slow/demo.json"
    assert by_rule(demo.stale("--", responses)) == {"decode": 1}
    demo.run("--", responses)
    sidecar = json.loads((demo.folder / responses).read_text())
    assert sidecar["decoded_now"] == 600


def test_another_version_of_a_package_decodes_or_grades_again(demo, tmp_path):
    """torch decides what is decoded, sympy what is graded; a folder on Python's path pretends that they are others."""
    again = {}
    for package in ("torch", "sympy"):
        information = tmp_path / package / f"{package}-99.0.dist-info" / "METADATA"
        information.parent.mkdir(parents=True)
        information.write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 99.0\n")
        again[package] = by_rule(demo.stale(PYTHONPATH=str(tmp_path / package)))
    experiment = demo.experiment()
    decoded = len({one for study in experiment.lines for one in experiment.compared(study)})
    assert again["torch"]["decode"] == decoded
    assert again["sympy"]["decode"] == 0 and again["sympy"]["grade"] == again["torch"]["grade"] > 0


def test_a_run_says_that_snakemakes_records_are_gone_and_that_nothing_counts_as_stale(demo):
    assert "records of how they were made" not in demo.run("--dry-run")
    shutil.rmtree(demo.folder / ".snakemake" / "metadata")
    assert "warning: results/demo has results, and Snakemake's records of how they were made" in demo.run("--dry-run")


def test_studies_whose_names_differ_behind_a_dot_have_tables_of_their_own(demo):
    study = yaml.safe_load((demo.folder / "config/studies/demo.yaml").read_text())
    other = {**study, "title": "Other", "recipes": ["ties"], "audits": None}  # published numbers are one study's
    demo.write("config/studies/demo.1.yaml", yaml.safe_dump(other))
    demo.write("config/both.yaml", with_studies("demo, demo.1"))
    demo.run(config="config/both.yaml")
    assert "Other" in (demo.folder / "results/demo/tables/demo.1.md").read_text()
    assert "Other" not in (demo.folder / "results/demo/tables/demo.md").read_text()
    assert demo.stale(config="config/both.yaml") == []


def test_reference_that_is_no_line_of_the_table_is_decoded_and_compared_with(demo):
    demo.write("config/models/other.yaml", "path: workflow/resources/demo/slow\nlabel: other\n")
    demo.edit("config/pairs/demo.yaml", "slow: [demo-slow]", "slow: [demo-slow]\nreference: other")
    study = yaml.safe_load((demo.folder / "config/studies/demo.yaml").read_text())
    demo.write("config/studies/demo.yaml", yaml.safe_dump({**study, "recipes": ["ties"]}))
    demo.run()
    table = (demo.folder / "results/demo/tables/demo.md").read_text()
    assert "change against other" in table and "−64.4 %" in table
