"""A small study through profiles/slurm on a real Slurm: the same results, and every job with its line of the table."""

import os
import re
import sys
from collections import Counter

import pyarrow.parquet as pq
import pytest
import slurm
from project import new_project
from support import ROOT

STUDY = """
title: Two models and a merge
pairs: [demo]
recipes: [ties]
benchmarks: [demo_validation]
decoding: demo
grader: math_verify
"""
JOBS = {"fetch_model": 2, "load_questions": 1, "merge": 1, "show_responses": 1, "write_vega": 1}
# two jobs share the questions of each checkpoint
JOBS |= {"decode_ahead": 6, "decode": 3}
# groups: a checkpoint's two grades and its shard; a table with what it rests on and its page; a page; drawings
GRADES, PAGE = "grades_grade_shard_responses", "tables_list_disagreements_write_page"
TABLE = "tables_compare_make_table_write_page"
JOBS |= {GRADES: 3, TABLE: 1, PAGE: 1, "drawings_draw_merge": 1}
COMPARED = ("checkpoints/**/manifest.json", "questions/*", "responses/**/*.parquet", "grades/**/*", "tables/*.[pcm]*")


@pytest.fixture(scope="module")
def cluster():
    """A Slurm that takes jobs."""
    assert os.getuid() == 0, "only root can start a Slurm"
    slurm.start()
    yield
    slurm.stop()


def small_project(folder):
    """A project with one small study, whose jobs that decode get GPUs from Slurm (and leave them alone)."""
    project = new_project(folder)
    project.write("config/studies/small.yaml", STUDY)
    demo = (project.folder / "config/demo.yaml").read_text()
    project.write("config/demo.yaml", re.sub("(?m)^studies: .*", "studies: [small]", demo))
    project.edit("config/decoding/demo.yaml", "batch_size: 128", "batch_size: 128\nreplicas: 2")
    project.edit("profiles/slurm/config.yaml", "  decode_ahead:\n", "  decode_ahead:\n    gpu: 2\n")
    return project


@pytest.fixture(scope="module")
def projects(cluster, tmp_path_factory):
    """The project after a run on this machine, and after one on the cluster."""
    here, there = (small_project(tmp_path_factory.mktemp(name)) for name in ("here", "there"))
    here.run()
    there.run("--workflow-profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "2")
    return here, there


@pytest.fixture(scope="module")
def jobs(projects):
    """What Slurm knows of each job: (rule, facts)."""
    return [(job["Comment"].removeprefix("rule_").split("_wildcards_")[0], job) for job in slurm.jobs()]


def test_results_are_those_of_a_run_without_the_cluster(projects):
    here, there = (project.folder / "results/demo" for project in projects)
    files = [file.relative_to(here) for pattern in COMPARED for file in here.glob(pattern) if file.is_file()]
    assert len(files) == 3 + 1 + 3 + 6 + 3
    for file in files:
        if file.suffix == ".parquet":
            assert pq.read_table(here / file).equals(pq.read_table(there / file)), file
        else:
            assert (here / file).read_bytes() == (there / file).read_bytes(), file


def test_every_job_went_through_slurm(jobs):
    assert Counter(rule for rule, _ in jobs) == JOBS
    assert {job["JobState"] for _, job in jobs} == {"COMPLETED"}


def test_jobs_have_the_resources_of_the_profile(jobs):
    asked = {rule: (job["Partition"], job["TimeLimit"], job["TRES"], job.get("TresPerJob")) for rule, job in jobs}
    decode, reads = asked.pop("decode_ahead"), asked.pop("decode")
    assert (reads[0], reads[2], reads[3]) == (decode[0], decode[2], None)
    assert decode[0] == "gpu" and decode[3] == "gres:gpu:2"
    assert decode[1].startswith("00:3")  # half an hour and a few minutes
    assert decode[2].startswith("cpu=8,mem=800")  # 8 GB and a few MB
    usual = "cpu=1,mem=4000M,node=1,billing=1"
    assert asked.pop("fetch_model") == ("cpu", "08:00:00", usual, None)
    assert asked.pop("merge") == ("cpu", "04:00:00", "cpu=1,mem=16000M,node=1,billing=1", None)
    # one after the other: the times of a group's jobs add up, nothing else does
    assert asked.pop(GRADES) == ("cpu", "02:30:00", usual, None)
    assert asked.pop(TABLE) == ("cpu", "02:10:00", usual, None)
    assert asked.pop(PAGE) == ("cpu", "01:10:00", usual, None)
    assert asked.pop("drawings_draw_merge") == ("cpu", "00:10:00", usual, None)
    assert set(asked.values()) == {("cpu", "01:00:00", usual, None)}


def test_jobs_that_decode_alone_had_gpus_and_two_each(jobs):
    assert {len(set(job["Devices"].split(","))) for rule, job in jobs if rule == "decode_ahead"} == {2}
    assert {job["Devices"] for rule, job in jobs if rule != "decode_ahead"} == {""}


def test_lease_inside_a_slurm_job_is_what_slurm_gave(cluster):
    lease = "import os; from l2s.gpus import lease; lease(2, 2); print(os.environ['CUDA_VISIBLE_DEVICES'])"
    shown = slurm.run("srun", "--gpus=2", f"--chdir={ROOT / 'scripts'}", sys.executable, "-c", lease)
    given, visible = shown.splitlines()
    assert given.startswith(f"GPUs {visible}: given by Slurm to job ") and len(visible.split(",")) == 2
