"""GPU leases, by real processes on simulated devices: nvidia-smi is the border of what is simulated."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from support import ROOT

from l2s import gpus
from l2s.errors import UserError

# Answers queries from two files beside it, a line for each device (index, uuid, used, total) and for each process.
NVIDIA_SMI = """#!/usr/bin/env python3
import pathlib, sys
what, fields = sys.argv[1].removeprefix("--query-").split("=")
known = {"gpu": ["index", "uuid", "memory.used", "memory.total"], "compute-apps": ["gpu_uuid", "pid"]}[what]
same = {"name": "NVIDIA H200", "driver_version": "580.95.05", "compute_cap": "9.0", "mig.mode.current": "Disabled"}
assert sys.argv[2:] == ["--format=csv,noheader,nounits"]
for line in pathlib.Path(__file__).with_name(what).read_text().splitlines():
    cells = same | dict(zip(known, line.split()))
    print(", ".join(cells[field] for field in fields.split(",")))
"""
OUTSIDE = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "SLURM_JOB_ID")

pytestmark = pytest.mark.slow


class Machine:
    """A machine with simulated GPUs."""

    def __init__(self, folder, count):
        self.folder = folder
        self.path = f"{folder}:{os.environ['PATH']}"
        self.devices = {str(index): [f"GPU-{index}{index}ab-cd", 1, 81559] for index in range(count)}
        (folder / "nvidia-smi").write_text(NVIDIA_SMI)
        (folder / "nvidia-smi").chmod(0o755)
        self.processes = []
        self.use({})

    def use(self, used):
        """Let memory be in use: device -> (MiB, processes)."""
        for index, device in self.devices.items():
            device[1] = used.get(index, (1, []))[0]
        lines = [f"{index} {' '.join(map(str, device))}\n" for index, device in self.devices.items()]
        (self.folder / "gpu").write_text("".join(lines))
        users = [f"{self.devices[index][0]} {pid}\n" for index, (_, pids) in used.items() for pid in pids]
        (self.folder / "compute-apps").write_text("".join(users))

    def start(self, count, *seconds, **environment):
        """Start a job that uses so many devices for so long."""
        inherited = {key: value for key, value in os.environ.items() if key not in OUTSIDE}
        path = {"PATH": self.path, "PYTHONPATH": str(ROOT / "scripts")}
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "gpu_job.py"), str(self.folder / "locks"), str(count)]
            + [str(number) for number in seconds],
            env={**inherited, **path, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def run(self, count, **environment):
        """Run a job that uses so many devices for no time; return its exit status and what it printed."""
        process = self.start(count, 0, **environment)
        printed, _ = process.communicate()
        return process.returncode, printed


@pytest.fixture
def machine(tmp_path):
    made = Machine(tmp_path, 4)
    yield made
    for process in made.processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # a child that outlived its job is in the group as well
        process.wait()
        process.stdout.close()


def line_with(process, text):
    """Return the next line of a process that holds the text."""
    for line in process.stdout:
        if text in line:
            return line
    raise AssertionError(f"the process ended without a line with {text!r}")


def test_eight_jobs_on_four_devices_never_share_one_and_all_finish_though_some_are_killed(machine):
    chance = random.Random(0)
    asked = dict(enumerate([1, 1, 2, 1, 4, 1, 3, 1]))
    running = {job: machine.start(count, 0.3) for job, count in asked.items()}
    kills = 12
    while running:
        time.sleep(0.05)
        if kills and chance.random() < 0.3:
            running[chance.choice(list(running))].kill()
            kills -= 1
        for job, process in list(running.items()):
            if process.poll() is None:
                continue
            printed = process.stdout.read()
            if process.returncode == 0:
                names = printed.splitlines()[-1].removeprefix("has ").split(",")
                assert len(set(names)) == asked[job]
                del running[job]
            else:
                assert process.returncode == -signal.SIGKILL, printed
                running[job] = machine.start(asked[job], 0.3)
    assert kills == 0


def test_job_that_waits_says_for_whom_and_gets_the_device_when_its_holder_is_killed(machine):
    holder = machine.start(3, 60)
    assert line_with(holder, "has ") == "has 0,1,2\n"
    waiting = machine.start(2, 0)
    assert "waiting for 2 of 4 GPUs: 0 is leased by process " in line_with(waiting, str(holder.pid))
    holder.kill()
    assert line_with(waiting, "has ") == "has 0,1\n"


def test_device_stays_leased_as_long_as_a_child_of_a_killed_job_lives(machine):
    job = machine.start(1, 60, 60)
    line_with(job, "has 0")
    job.kill()
    job.wait()
    assert "has 1,2,3\n" in machine.run(3)[1]
    status, printed = machine.run(4)
    assert status == 1
    assert f"GPU 0 (GPU-00ab-cd) is held by a child of process {job.pid}, which is dead: end what" in printed
    os.killpg(job.pid, signal.SIGKILL)
    assert "has 0,1,2,3\n" in machine.run(4)[1]


@pytest.mark.parametrize(
    ("mask", "names"),
    [
        ("2,3", "2,3"),
        ("3, 1", "3,1"),
        ("1,1,2", "1,2"),
        ("GPU-22ab-cd,GPU-33", "2,3"),
    ],
)
def test_mask_that_is_set_bounds_what_is_leased(machine, mask, names):
    assert f"has {names}\n" in machine.run(2, CUDA_VISIBLE_DEVICES=mask)[1]
    status, printed = machine.run(3, CUDA_VISIBLE_DEVICES=mask)
    assert status == 1
    assert printed.startswith(f"error: GPUs needed: 3, visible: 2 (CUDA_VISIBLE_DEVICES is '{mask}')")


@pytest.mark.parametrize("entry", ["4", "-1", "GPU-", "GPU-ff", "gpu0"])
def test_mask_with_a_name_that_is_no_device_is_refused(machine, entry):
    status, printed = machine.run(1, CUDA_VISIBLE_DEVICES=f"0,{entry}")
    assert status == 1
    assert printed.startswith(f"error: CUDA_VISIBLE_DEVICES: '{entry}' does not name one GPU of this machine")


@pytest.mark.parametrize("given", [{}, {"SLURM_JOB_ID": "7"}])
def test_slices_of_a_gpu_are_refused(machine, given):
    status, printed = machine.run(1, CUDA_VISIBLE_DEVICES="MIG-0a-1", **given)
    assert status == 1
    assert printed.startswith(
        "error: CUDA_VISIBLE_DEVICES names MIG slices (MIG-0a-1), which this workflow does not use"
    )


def test_gpu_that_is_cut_into_slices_is_refused_unless_the_mask_leaves_it_out(machine):
    smi = machine.folder / "nvidia-smi"
    smi.write_text(smi.read_text().replace("cells[field]", "{**cells, 'mig.mode.current': mode(cells)}[field]"))
    smi.write_text(
        smi.read_text().replace(
            "same =", "mode = lambda cells: 'Enabled' if cells['index'] == '1' else '[N/A]'\nsame ="
        )
    )
    assert machine.run(1)[1].startswith("error: GPU 1 is cut into MIG slices")
    assert "has 0,2\n" in machine.run(2, CUDA_VISIBLE_DEVICES="0,2")[1]


def test_uuids_that_slurm_gave_are_taken_as_they_are(machine):
    given = {"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "GPU-22ab-cd"}
    assert machine.run(1, **given) == (0, "GPUs GPU-22ab-cd: given by Slurm to job 7\nhas GPU-22ab-cd\n")


def test_what_slurm_gave_a_job_is_taken_as_it_is(machine):
    machine.start(2, 60, CUDA_VISIBLE_DEVICES="0,1")
    given = {"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "0,1"}
    assert machine.run(2, **given) == (0, "GPUs 0,1: given by Slurm to job 7\nhas 0,1\n")


def test_jobs_inside_a_larger_slurm_allocation_share_it_out(machine):
    given = {"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "2,3"}
    line_with(machine.start(1, 60, **given), "has 2")
    assert "has 3\n" in machine.run(1, **given)[1]


def test_slurm_job_without_devices_takes_none(machine):
    status, printed = machine.run(1, SLURM_JOB_ID="7")
    assert status == 1
    assert "GPUs needed: 1, visible: 0 (CUDA_VISIBLE_DEVICES is '')" in printed


def test_device_whose_memory_is_in_use_is_passed_over(machine):
    machine.use({"0": (70_000, [4242]), "1": (1_000, [11])})
    assert "has 1,2\n" in machine.run(2)[1]


def test_too_few_devices_with_free_memory_is_an_error_that_names_devices_and_processes(machine):
    machine.use({"0": (70_000, [4242, 4243]), "3": (9_000, [])})
    status, printed = machine.run(3)
    assert status == 1
    assert (
        "error: GPUs needed: 3, but GPU 0 (GPU-00ab-cd) is in use by processes 4242, 4243, without a lease; "
        "GPU 3 (GPU-33ab-cd) is in use by processes that nvidia-smi cannot see, without a lease: end what uses them"
    ) in printed


def test_memory_that_becomes_free_while_a_job_waits_is_taken(machine):
    machine.use({index: (70_000, [4242]) for index in machine.devices})
    waiting = machine.start(1, 0, PATIENCE="600")
    line_with(waiting, "0 is in use by processes 4242, without a lease")
    machine.use({"0": (70_000, [4242])})
    assert line_with(waiting, "has ") == "has 1\n"


def test_job_waits_for_a_leased_device_however_long_another_is_occupied(machine):
    machine.use({"3": (70_000, [4242])})
    holder = machine.start(3, 2.5)
    line_with(holder, "has 0,1,2")
    machine.use({index: (70_000, [4242]) for index in machine.devices})
    waiting = machine.start(1, 0)
    holder.wait()  # longer than PATIENCE_SECONDS
    machine.use({"3": (70_000, [4242])})
    assert line_with(waiting, "has ") == "has 0\n"


def test_memory_that_nvidia_smi_does_not_tell_counts_as_free(machine):
    machine.use({"0": ("[N/A]", [])})
    assert "has 0\n" in machine.run(1)[1]


def test_missing_or_failing_nvidia_smi_is_one_clear_line(machine):
    assert machine.run(1, PATH="/nowhere")[1].startswith("error: a GPU is needed, but there is no nvidia-smi")
    (machine.folder / "nvidia-smi").write_text("#!/bin/sh\necho 'cannot talk to the driver\nsee the manual'; exit 9\n")
    assert "error: a GPU is needed, but nvidia-smi fails (cannot talk to the driver)" in machine.run(1)[1]


def test_lock_folder_of_another_user_is_refused(machine, monkeypatch, tmp_path):
    monkeypatch.setattr(gpus, "LOCKS", tmp_path)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(UserError, match="another user made it or could change it"):
        gpus._wait_for([gpus.Device("0", "GPU-00")], 1)


def test_request_that_snakemake_cut_down_is_an_error():
    with pytest.raises(UserError, match="GPUs needed: 2, granted by Snakemake: 1; run it with --resources gpu=2"):
        gpus.lease(2, 1)
