"""`snakemake plan` tells what would run and what hinders it, without running anything."""

import os
import shutil
import subprocess

import pytest
from project import SNAKEMAKE


@pytest.fixture
def planned(finished_demo, tmp_path):
    return finished_demo.clone(tmp_path / "project")


def test_plan_of_a_finished_run_has_nothing_to_do(planned):
    said = planned.run("--", "plan")
    assert "merged checkpoints, all kept" in said
    assert "disk: 0 GB needed" in said
    assert "demo-quick, demo, demo_arithmetic: first prompt" in said
    assert "config/assumptions.yaml" not in said, "they are about the paper's models"


def test_plan_needs_no_options(planned):
    """As the README has it; the configuration is the paper's."""
    done = subprocess.run(
        [str(SNAKEMAKE), "plan"],
        cwd=planned.folder,
        env={**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "table_1" in done.stdout
    assert "config/assumptions.yaml" in done.stdout and "tied_head" in done.stdout
    assert "no response can use up the budget of 8,192 tokens" in done.stdout


def test_plan_counts_jobs_gpu_hours_and_downloads(planned):
    planned.edit("config/decoding/demo.yaml", "device: cpu", "device: cuda")
    planned.edit(
        "config/models/demo-slow.yaml",
        "path: workflow/resources/demo/slow\n",
        "repo: a/b\nrevision: '" + "1" * 40 + "'\nbytes: 3000000000\n",
    )
    planned.edit("config/models/demo-slow.yaml", "content_id: 47", "# content_id: 47")
    # What downloads took in this folder would go before what the table says of them.
    shutil.rmtree(planned.folder / "results/demo/timings/fetch_model")
    said = planned.run("--", "plan", HF_ENDPOINT="http://127.0.0.1:9")
    assert "decode" in said and "GPU hours" in said and "At least" in said
    assert "demo_sweep" in said
    assert "models to download" in said and "3.0 (18.0 s)" in said
    assert "does not answer" in said and "check the network or HF_ENDPOINT" in said
    assert not list(planned.folder.glob("results/demo/checkpoints/models/other*"))


def test_a_run_that_needs_a_gpu_stops_before_its_first_job_where_there_is_none(planned):
    planned.edit("config/decoding/demo.yaml", "device: cpu", "device: cuda")
    done = planned.snakemake("--resources", "gpu=1", PATH="/usr/bin:/bin", CUDA_VISIBLE_DEVICES="")
    assert done.returncode != 0
    assert "jobs need a GPU, as config/decoding/demo.yaml says 'device: cuda'" in done.stdout
    assert "make demo" in done.stdout
    assert "Finished jobid" not in done.stdout
