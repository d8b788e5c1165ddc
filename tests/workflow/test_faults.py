"""Faults inside a run: a clear message, nothing half-written left looking whole, and the next run just works."""

import os
import signal
import subprocess
import time

import pandas as pd
import pytest
from project import SNAKEMAKE, by_rule, jobs_after, jobs_after_merging, new_project
from support import ROOT

from l2s.layout import is_fetched

FORBIDDEN = 'raise ImportError("this takes too long to load to build the DAG")\n'


@pytest.fixture(scope="module")
def small_project(tmp_path_factory):
    """A project whose demo has one recipe; a test leaves its configuration and models as they were."""
    project = new_project(tmp_path_factory.mktemp("small"))
    text = (project.folder / "config/studies/demo.yaml").read_text()
    first, last = text.index("recipes:"), text.index("benchmarks:")
    project.write("config/studies/demo.yaml", f"{text[:first]}recipes: [ties]\n{text[last:]}")
    project.edit("config/demo.yaml", "studies: [demo, ", "studies: [demo] # [")
    return project


def test_dry_runs_load_nothing_slow_and_touch_no_network(tmp_path):
    project = new_project(tmp_path / "p")
    trap = tmp_path / "trap"
    trap.mkdir()
    for name in ("torch", "transformers", "datasets", "vllm", "altair"):
        (trap / f"{name}.py").write_text(FORBIDDEN)
    unreachable = {"HF_ENDPOINT": "http://127.0.0.1:9", "PYTHONPATH": str(trap)}
    counted, demo = by_rule(project.stale(**unreachable)), project.experiment()
    assert counted >= jobs_after_merging(demo, demo.merges) | jobs_after(demo, demo.checkpoints)
    assert (counted["calibrate"], counted["train"]) == (len(demo.calibrations), len(demo.trainings))
    assert counted["fetch_model"] == sum(map(is_fetched, demo.checkpoints))
    jobs = project.stale(config="config/config.yaml", **unreachable)
    assert ("fetch_model", {"model": "deepseek-r1-distill-qwen-7b"}) in [job[:2] for job in jobs]
    merged = {job.wildcards["method"] for job in jobs if job.rule == "merge" and job.wildcards["pair"] == "7b"}
    cells = pd.read_csv(ROOT / "config" / "published" / "paper" / "cells.csv")
    in_the_paper = set(cells.loc[cells["pair"] == "7b", "method"]) - {"quick", "slow", "dpo"}
    assert merged >= in_the_paper


def test_configuration_error_stops_before_the_first_job_and_writes_nothing(tmp_path):
    project = new_project(tmp_path)
    project.edit("config/recipes/ties.yaml", "keep_fraction: 0.2", "keep_fraction: 20")
    done = project.snakemake()
    assert done.returncode == 1
    assert "config/recipes/ties.yaml: key 'keep_fraction': Input should be less than or equal to 1" in done.stdout
    assert not (project.folder / "results").exists()


def test_study_with_a_rules_name_stops_the_run(tmp_path):
    project = new_project(tmp_path)
    project.write("config/studies/grade.yaml", "kind: group\ntitle: Mine\nstudies: [demo]\n")
    done = project.snakemake("--dry-run", "--config", "studies=[grade]")
    assert done.returncode == 1
    assert "config/studies/grade.yaml: a study cannot be called 'grade': a rule has that name" in done.stdout


def test_damaged_model_stops_the_run_with_its_name_and_leaves_no_manifest(small_project):
    project = small_project
    weights = project.folder / "workflow/resources/demo/slow/model.safetensors"
    good = weights.read_bytes()
    weights.write_bytes(good[:-100])
    done = project.snakemake("--keep-going")
    assert done.returncode == 1
    assert "error: workflow/resources/demo/slow/model.safetensors: holds" in done.stdout
    weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    done = project.snakemake("--keep-going")
    assert "error: workflow/resources/demo/slow: the model's content_id is" in done.stdout
    assert not list(project.folder.glob("results/demo/checkpoints/**/demo-slow/manifest.json"))
    assert not list(project.folder.glob("results/demo/checkpoints/demo/**/*"))
    weights.write_bytes(good)


def test_killed_run_is_taken_up_again_without_decoding_twice(small_project):
    """Here, after the model that was damaged is whole again, which is thereby seen to be all that a run needs."""
    project = small_project
    store = project.folder / "results" / "demo" / "store"
    before = len(list(store.rglob("*.parquet")))
    command = [str(SNAKEMAKE), "--cores", "2", "--configfile", "config/demo.yaml"]
    running = subprocess.Popen(
        command, cwd=project.folder, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while len(list(store.rglob("*.parquet"))) < before + 2:
        assert running.poll() is None
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert not (project.folder / "results/demo/tables/demo.parquet").exists()
    kept = {path: path.read_bytes() for path in store.rglob("*.parquet")}
    project.run("--unlock")
    project.run()
    assert all(path.read_bytes() == data for path, data in kept.items())
    assert "Nothing to be done" in project.run()
