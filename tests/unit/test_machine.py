"""What is said of a machine that jobs on GPUs could not run on; nvidia-smi is the border of what is simulated."""

import resource
import sysconfig

import pytest
from support import ROOT
from test_gpus import Machine

from l2s.config import read_entry
from l2s.decoding.settings import DecodingEntry
from l2s.plan import checks, machine
from l2s.plan.checks import check_disks

SETTINGS = read_entry(ROOT / "config/decoding/paper-bfloat16.yaml", DecodingEntry).for_checkpoint(10**9, 16)
ON_TWO = SETTINGS.model_copy(update={"vllm": SETTINGS.vllm.model_copy(update={"tensor_parallel": 2})})


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A machine with two H200, a driver for CUDA 13 and an idle process on none."""
    node = Machine(tmp_path, 2)
    monkeypatch.setenv("PATH", node.path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return node


def change(node, old, new):
    """Let nvidia-smi answer otherwise."""
    file = node.folder / "nvidia-smi"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def bad(settings=SETTINGS):
    """Return what is wrong with this machine."""
    return [check.line for check in machine.check_machine([settings]) if not check.good]


def test_nothing_is_wrong_with_a_machine_that_has_all(node):
    said = [check.line for check in machine.check_machine([ON_TWO])]
    assert bad(ON_TWO) == []
    assert said[:3] == ["driver: 580.95.05"] + [
        f"GPU {index} (NVIDIA H200): compute capability 9.0, 86 GB" for index in range(2)
    ]
    assert len(said) == 6


def test_driver_that_is_older_than_torchs_cuda_is_named_with_the_one_to_get(node, monkeypatch):
    change(node, "580.95.05", "570.124.06")
    monkeypatch.setattr(machine, "cuda_of_driver", lambda: 12)
    assert bad() == ["driver: 570.124.06; torch's build for CUDA 13 needs 580 or newer: update it"]
    monkeypatch.setattr(machine, "cuda_of_driver", lambda: 13)
    assert bad() == [], "with CUDA's compatibility library"


def test_first_cuda_of_the_checks_is_the_one_of_the_lock():
    lock = (ROOT / "envs/cuda.txt").read_text()
    assert f"\ncuda-toolkit=={machine.CUDA}." in lock


@pytest.mark.parametrize(
    ("capability", "said"),
    [
        ("7.0", "needs 7.5 (Turing): use another"),
        ("7.5", "vLLM has bfloat16 from 8.0 (Ampere): set 'dtype'"),
        ("8.0", ""),
    ],
)
def test_device_that_is_too_old_is_named_with_what_to_do(node, capability, said):
    change(node, '"9.0"', f'"{capability}"')
    found = bad()
    assert len(found) == (2 if said else 0)
    assert all(line.startswith(f"GPU {index} (NVIDIA H200)") and said in line for index, line in enumerate(found))


def test_float16_needs_no_ampere(node):
    change(node, '"9.0"', '"7.5"')
    assert bad(SETTINGS.model_copy(update={"dtype": "float16"})) == []


def test_compiler_is_looked_for_where_triton_does(node, monkeypatch):
    monkeypatch.setenv("CC", "no-such-cc")
    assert bad() == [
        "C compiler: 'no-such-cc', which CC names, is not there, and vLLM compiles while it starts; "
        "install gcc, or set CC to a compiler"
    ]
    monkeypatch.delenv("CC")
    monkeypatch.setattr(machine.shutil, "which", {"clang": "/usr/bin/clang"}.get)
    assert machine.check_compiler() == (True, "C compiler: /usr/bin/clang")


def test_missing_headers_of_python_are_told_with_their_package(node, monkeypatch, tmp_path):
    monkeypatch.setattr(sysconfig, "get_path", {"include": str(tmp_path)}.get)
    (said,) = bad()
    assert said.startswith(f"Python.h: not in {tmp_path}") and "install python3." in said and "-dev" in said


def test_shared_memory_counts_for_engines_on_several_gpus_only(node, monkeypatch):
    monkeypatch.setattr(machine, "SHARED_BYTES", 10**18)
    assert bad() == []
    (said,) = bad(ON_TWO)
    assert said.startswith("shared memory: ") and "--shm-size=8g" in said


def test_engine_without_compilation_asks_for_no_compiler(node, monkeypatch):
    monkeypatch.setenv("CC", "no-such-cc")
    settings = read_entry(ROOT / "config/decoding/demo.yaml", DecodingEntry)
    assert bad(settings.model_copy(update={"device": "cuda"})) == []


def test_device_that_others_use_or_that_is_smaller_than_planned_is_named(node):
    node.use({"1": (70_000, [4242])})
    free, used = machine.check_free([SETTINGS])
    assert free.good
    assert used.line == (
        "GPU 1 (NVIDIA H200): in use by processes 4242; end them, or set CUDA_VISIBLE_DEVICES to other GPUs"
    )
    node.devices = {"0": ["GPU-00ab-cd", 1, 24564]}
    node.use({})
    (small,) = machine.check_free([SETTINGS])
    assert small.line.endswith("26 GB, and jobs are planned for 80; set device_memory_gb of the decode settings to 25")


def test_machine_without_driver_is_one_line_and_the_rest_is_still_checked(node):
    (node.folder / "nvidia-smi").write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'; exit 9\n")
    assert [line.split(":")[0] for line in bad()] == ["a GPU is needed, but nvidia-smi fails (NVIDIA-SMI has failed)"]


def test_devices_that_the_mask_leaves_out_are_not_looked_at(node, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert [gpu.name for gpu in machine.describe()] == ["1"]


def test_writing_that_is_refused_though_the_disk_has_room_is_told(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, limits[1]))
    try:
        (check,) = check_disks([(tmp_path, 2 * 10**6)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not check.good and "writing as much is refused (File too large, as by a quota)" in check.line
    assert checks.refusal(tmp_path, 2 * 10**6) is None
    assert list(tmp_path.iterdir()) == []
