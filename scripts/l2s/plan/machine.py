"""Checks of the machine that jobs on GPUs run on. They need neither torch nor vLLM: nvidia-smi knows the devices."""

import ctypes
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from l2s import gpus
from l2s.decoding.settings import DecodingEntry
from l2s.errors import UserError
from l2s.experiment import Experiment
from l2s.plan.checks import Check, gigabytes

DRIVER, CUDA = 580, 13
"""The first driver for the CUDA that torch of the locks is built for."""
CAPABILITY = 7.5
"""Turing: the oldest that CUDA 13 compiles for."""
BFLOAT16_CAPABILITY = 8.0
"""Ampere: vLLM refuses bfloat16 on older devices."""
SHARED_BYTES = 10**9
"""Workers of one engine hand tensors to each other in /dev/shm: 240 MB of vLLM's queue, the rest NCCL's. A guess."""
SHARED = Path("/dev/shm")


class Gpu(NamedTuple):
    """A device as nvidia-smi describes it."""

    name: str
    kind: str
    uuid: str
    driver: str
    capability: float
    total: int  # bytes; 0 where nvidia-smi does not tell

    def __str__(self) -> str:
        """Return how it is called in a line."""
        return f"GPU {self.name} ({self.kind})"


def check_machine(settings: Sequence[DecodingEntry]) -> Iterator[Check]:
    """Check this machine for jobs on GPUs.

    Args:
        settings: The decode settings of jobs on GPUs; none if only calibrations or trainings need one.
    """
    try:
        found = describe()
    except UserError as error:
        yield Check(False, str(error))
        found = []
    if found:
        yield check_driver(found[0].driver)
        for gpu in found:
            yield check_capability(gpu, settings)
    if any(entry.engine == "vllm" for entry in settings):
        yield check_compiler()
        yield check_headers(Path(sysconfig.get_path("include")))
    if any(entry.gpus > 1 for entry in settings):
        yield check_shared(shutil.disk_usage(SHARED).free)


def gpu_settings(experiment: Experiment, asked: Iterable[tuple[str, str]]) -> list[DecodingEntry]:
    """Return the settings of those decode jobs (checkpoint, decode settings) that run on GPUs."""
    return [entry for one in asked if (entry := experiment.decoding_of(*one)).gpus]


def describe() -> list[Gpu]:
    """Return the GPUs that this process may use.

    Raises:
        UserError: nvidia-smi is missing or fails, or a GPU is one that cannot be used.
    """
    visible = {device.uuid for device in gpus.visible(os.environ.get(gpus.MASK))}
    rows = gpus.query("gpu", "index,name,uuid,driver_version,compute_cap,memory.total")
    return [
        Gpu(name, kind, uuid, driver, float(capability), int(total) * 2**20 if total.isdigit() else 0)
        for name, kind, uuid, driver, capability, total in rows
        if uuid in visible
    ]


def check_driver(version: str) -> Check:
    """Say whether a driver, such as 570.124.06, serves the locks' torch; one with CUDA's compatibility library does."""
    good = int(version.partition(".")[0]) >= DRIVER or cuda_of_driver() >= CUDA
    line = f"driver: {version}"
    return Check(good, line if good else f"{line}; torch's build for CUDA {CUDA} needs {DRIVER} or newer: update it")


def cuda_of_driver() -> int:
    """Return the newest CUDA that the driver's library serves, by its first number; 0 if there is none."""
    version = ctypes.c_int()
    try:
        ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version))
    except OSError:
        return 0
    return version.value // 1000


def check_capability(gpu: Gpu, settings: Sequence[DecodingEntry]) -> Check:
    """Say whether a GPU is of a kind that torch, and vLLM with these settings, compute on."""
    line = f"{gpu}: compute capability {gpu.capability}, {gigabytes(gpu.total)} GB"
    if gpu.capability < CAPABILITY:
        return Check(False, f"{line}; torch's build for CUDA {CUDA} needs {CAPABILITY} (Turing): use another")
    bfloat16 = any(entry.engine == "vllm" and "bfloat16" in _dtypes(entry) for entry in settings)
    if bfloat16 and gpu.capability < BFLOAT16_CAPABILITY:
        remedy = f"vLLM has bfloat16 from {BFLOAT16_CAPABILITY} (Ampere): set 'dtype' of the decode settings to float16"
        return Check(False, f"{line}; {remedy}")
    return Check(True, line)


def check_compiler() -> Check:
    """Say whether there is the C compiler that Triton builds launchers with, where Triton looks for it."""
    asked = os.environ.get("CC")
    found = shutil.which(asked) if asked else shutil.which("gcc") or shutil.which("clang")
    if found:
        return Check(True, f"C compiler: {found}")
    missing = f"'{asked}', which CC names, is not there" if asked else "there is neither gcc nor clang"
    return Check(
        False, f"C compiler: {missing}, and vLLM compiles while it starts; install gcc, or set CC to a compiler"
    )


def check_headers(folder: Path) -> Check:
    """Say whether Python's headers are there, which Triton compiles against."""
    if (folder / "Python.h").is_file():
        return Check(True, f"Python.h: in {folder}")
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-dev"
    return Check(False, f"Python.h: not in {folder}, and vLLM compiles against it; install {package} (RHEL: -devel)")


def check_shared(free: int) -> Check:
    """Say whether the shared memory does for an engine on several GPUs."""
    line = f"shared memory: {gigabytes(free)} GB free at {SHARED}"
    if free >= SHARED_BYTES:
        return Check(True, line)
    remedy = "start the container with --shm-size=8g or --ipc=host"
    return Check(False, f"{line}, and an engine on several GPUs needs {gigabytes(SHARED_BYTES)} GB; {remedy}")


def check_free(settings: Sequence[DecodingEntry]) -> Iterator[Check]:
    """Say of each GPU that somebody uses now who it is, and of each with less memory than the settings plan with.

    Raises:
        UserError: nvidia-smi cannot be asked.
    """
    planned = max((entry.vllm.device_memory_gb for entry in settings if entry.vllm), default=0)
    users = gpus.in_use()
    for gpu in describe():
        if gpu.uuid in users:
            yield Check(False, f"{gpu}: in use by {users[gpu.uuid]}; end them, or set {gpus.MASK} to other GPUs")
        elif 0 < gpu.total < planned * 1e9:
            remedy = f"set device_memory_gb of the decode settings to {int(gpu.total / 1e9)}"
            yield Check(False, f"{gpu}: {gigabytes(gpu.total)} GB, and jobs are planned for {planned:g}; {remedy}")
        else:
            yield Check(True, f"{gpu}: free")


def _dtypes(entry: DecodingEntry) -> Iterable[str]:
    return entry.dtype.values() if isinstance(entry.dtype, dict) else [entry.dtype]
