"""What a decode job does about GPUs before its engine starts."""

import pytest
from project import by_rule, new_project
from test_gpus import Machine

from l2s.layout import Layout

RESPONSES = "results/demo/responses/models/demo-quick/demo.parquet"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project whose decode settings ask for a GPU."""
    project = new_project(tmp_path_factory.mktemp("gpu"))
    project.edit("config/decoding/demo.yaml", "device: cpu", "device: cuda")
    return project


def test_request_that_snakemake_cuts_down_stops_the_run_before_its_first_job(project):
    done = project.snakemake("--resources", "gpu=0", "--", RESPONSES)
    assert done.returncode == 1
    assert "decoding with models/demo-quick needs 1 GPUs, and --resources gpu grants 0" in done.stdout
    assert "run with --resources gpu=1 or more" in done.stdout
    assert not (project.folder / "results").exists()


def test_request_that_was_cut_down_all_the_same_stops_the_job(project):
    done = project.snakemake("--resources", "gpu=0", "--no-hooks", "--", RESPONSES)
    assert done.returncode == 1
    assert "error: GPUs needed: 1, granted by Snakemake: 0; run it with --resources gpu=1" in done.stdout


def test_machine_whose_driver_is_too_old_stops_the_run_before_its_first_job(project, tmp_path):
    machine = Machine(tmp_path, 1)
    smi = tmp_path / "nvidia-smi"
    smi.write_text(smi.read_text().replace("580.95.05", "550.54.15"))
    done = project.snakemake("--", RESPONSES, PATH=machine.path, CUDA_VISIBLE_DEVICES="0")
    assert done.returncode == 1
    assert "driver: 550.54.15; torch's build for CUDA 13 needs 580 or newer: update it" in done.stdout
    assert "Finished jobid" not in done.stdout


def test_job_leases_its_gpu_before_the_engine_starts(project, tmp_path):
    machine = Machine(tmp_path, 1)
    machine.devices = {"900": ["GPU-900", 1, 81559]}  # no index that a real device could have
    machine.use({})
    done = project.snakemake("--", RESPONSES, PATH=machine.path, CUDA_VISIBLE_DEVICES="900")
    assert done.returncode == 1
    log = (project.folder / "results/demo/logs/decode/models/demo-quick/demo.log").read_text()
    assert log.index("GPUs 900: leased") < log.index("there is no CUDA device")


@pytest.mark.parametrize("device", ["cuda", "auto"])
def test_merge_leases_its_gpu_before_it_begins(project, tmp_path, device):
    machine = Machine(tmp_path, 1)
    machine.devices = {"900": ["GPU-900", 1, 81559]}
    machine.use({})
    name = next(name for name in project.experiment().merges if "/average/" in name)
    on = {"PATH": machine.path, "CUDA_VISIBLE_DEVICES": "900"}
    done = project.snakemake("--config", f"merge_device={device}", "--", Layout("results/demo").manifest(name), **on)
    assert done.returncode == 1
    (log,) = (project.folder / "results/demo/logs/merge/demo/average").glob("*.log")
    assert log.read_text().index("GPUs 900: leased") < log.read_text().index("there is no CUDA device")


def test_a_configuration_of_ones_own_takes_nothing_from_the_papers(project):
    project.edit("config/config.yaml", "results: ", "a_key_that_no_configuration_has: 1\nresults: ")
    assert "decode" in by_rule(project.stale())
    assert (
        "unknown key 'a_key_that_no_configuration_has'" in project.snakemake("-n", config="config/config.yaml").stdout
    )
