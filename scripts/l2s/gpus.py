"""The GPUs of this machine, each leased to one process at a time.

Snakemake's ``--resources gpu=4`` only counts: every job sees every device and would start on the first. So a process
that needs GPUs locks a file for each device that it takes (``flock``, one file for each device and user) and sets
CUDA_VISIBLE_DEVICES to what it got. CUDA reads that variable once, so this comes before anything that touches CUDA.

A lease has no end of its own. The kernel drops a lock when no process has its descriptor open any more, however the
last one died. The descriptors are inheritable on purpose (filelock closes its own in children): an engine may work in
children that outlive a killed job, and as long as one of them lives, the device stays leased. That holds for children
made by fork, and by exec unless descriptors are closed on the way, as Python's subprocess and multiprocessing's spawn
do. For those, for other users and for other containers, the memory in use on a device counts besides its lock.
"""

import fcntl
import os
import subprocess
import time
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from filelock import FileLock

from l2s.errors import UserError
from l2s.files import own_folder

LOCKS = Path(f"/tmp/l2s-gpus-{os.getuid()}")
"""On the machine itself, and the same for all jobs of a user, whatever their TMPDIR; stays when the user logs out."""
MASK = "CUDA_VISIBLE_DEVICES"
IDLE_SHARE = 0.05
"""Of a device's memory: so much may be in use (driver, display) on a device that counts as free."""
POLL_SECONDS = 2.0
PATIENCE_SECONDS = 120.0
"""How long to wait for devices in use without a lease; a killed process has given its memory back by then."""

NO_SLICES = (
    "this workflow does not use: a lease is of a whole GPU, and so is what jobs are planned for. Turn MIG off "
    "(nvidia-smi -mig 0, as root), or take GPUs without it"
)


class Device(NamedTuple):
    """A device that can be leased.

    Attributes:
        name: Its name in CUDA_VISIBLE_DEVICES: nvidia-smi's index.
        uuid: What its lock and its memory go by.
    """

    name: str
    uuid: str


class Survey(NamedTuple):
    """Devices told apart: the descriptors of the locks just taken, and why the others could not be.

    Attributes:
        free: Devices that nobody had, locked now.
        leased: Devices that running processes have leased.
        occupied: Devices in use that no running process has leased.
    """

    free: dict[Device, int]
    leased: dict[Device, str]
    occupied: dict[Device, str]


def lease(count: int, granted: int | None = None) -> None:
    """Take GPUs for this process and its children, and hide the others from CUDA. To be called once.

    Waits while others have them, and says so. In a Slurm job that was given just as many there is nothing to lease.

    Args:
        count: How many are needed.
        granted: The ``gpu`` resource of a Snakemake job; Snakemake cuts a request down to ``--resources gpu`` silently.

    Raises:
        UserError: Snakemake granted fewer, there are fewer, or too many of them are in use without a lease.
    """
    check_granted(count, granted)
    mask, slurm_job = os.environ.get(MASK), os.environ.get("SLURM_JOB_ID")
    _refuse_slices(mask)
    if slurm_job and mask and len(mask.split(",")) == count:
        print(f"GPUs {mask}: given by Slurm to job {slurm_job}", flush=True)
        return
    if slurm_job and mask is None:
        mask = ""  # Slurm sets the variable in every job that was given devices
    devices = visible(mask)
    if len(devices) < count:
        reason = "on this machine" if mask is None else f"{MASK} is '{mask}'"
        raise UserError(f"GPUs needed: {count}, visible: {len(devices)} ({reason}); ask for more, or use fewer")
    names = ",".join(device.name for device in _wait_for(devices, count))
    # nvidia-smi's indices; without the second variable CUDA may count in another order.
    os.environ |= {MASK: names, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    print(f"GPUs {names}: leased", flush=True)


def take_device(asked: Literal["auto", "cpu", "cuda"], granted: int | None) -> Literal["cpu", "cuda"]:
    """Return where to compute; of ``cuda`` a GPU is leased first. To be called once, before anything touches CUDA.

    Args:
        asked: ``auto`` is a GPU where this process may use one, else the CPU.
        granted: As for ``lease``.

    Raises:
        UserError: As for ``lease``, or torch finds no CUDA device.
    """
    device = device_here() if asked == "auto" else asked
    if device == "cuda":
        lease(1, granted)
        import torch

        if not torch.cuda.is_available():
            raise UserError("device 'cuda' was asked for but there is no CUDA device; use cpu")
    return device


def check_granted(count: int, granted: int | None) -> None:
    """Check that Snakemake granted so many GPUs, if it was asked for any.

    Raises:
        UserError: It granted fewer.
    """
    if granted is not None and granted < count:
        raise UserError(f"GPUs needed: {count}, granted by Snakemake: {granted}; run it with --resources gpu={count}")


def count() -> int:
    """Return how many GPUs this process may use; 0 where there is none, or no driver."""
    try:
        return len(visible(os.environ.get(MASK)))
    except UserError:
        return 0


@cache
def device_here() -> Literal["cpu", "cuda"]:
    """Return what ``auto`` means on this machine: a GPU where this process may use one, else the CPU."""
    return "cuda" if count() else "cpu"


def visible(mask: str | None) -> list[Device]:
    """Return the devices that a mask names, by index or UUID, or every GPU if there is no mask.

    A number is taken for nvidia-smi's index, as with CUDA_DEVICE_ORDER=PCI_BUS_ID; where GPUs differ, CUDA's own order
    is another.

    Raises:
        UserError: A name is none of a GPU's, a GPU is cut into slices, or nvidia-smi cannot be asked.
    """
    _refuse_slices(mask)
    rows = query("gpu", "index,uuid,mig.mode.current")
    gpus = {Device(index, uuid): mode for index, uuid, mode in rows}
    devices = list(gpus) if mask is None else []
    for entry in filter(None, (part.strip() for part in (mask or "").split(","))):
        found = [gpu for gpu in gpus if entry == gpu.name or (entry[:4] == "GPU-" and gpu.uuid.startswith(entry))]
        if len(found) != 1:
            raise UserError(f"{MASK}: '{entry}' does not name one GPU of this machine; `nvidia-smi -L` lists them")
        devices += found
    for device in devices:
        if gpus[device] == "Enabled":
            raise UserError(f"GPU {device.name} is cut into MIG slices, which {NO_SLICES}")
    return list(dict.fromkeys(devices))


def _refuse_slices(mask: str | None) -> None:
    if mask and "MIG-" in mask:
        raise UserError(f"{MASK} names MIG slices ({mask}), which {NO_SLICES}")


def _wait_for(devices: list[Device], count: int) -> list[Device]:
    """Wait until so many of the devices are free, and return them, locked."""
    own_folder(LOCKS)
    said, deadline = "", None
    while True:
        # One at a time, so that nobody meets locks that another only tries.
        with FileLock(LOCKS / "turn"):
            survey = _survey(devices)
            enough = len(survey.free) >= count
            for descriptor in list(survey.free.values())[count if enough else 0 :]:
                os.close(descriptor)
        if enough:
            return list(survey.free)[:count]
        hindrances = "; ".join(f"{device.name} {why}" for device, why in (survey.leased | survey.occupied).items())
        if hindrances != said:
            said = hindrances
            print(f"waiting for {count} of {len(devices)} GPUs: {said}", flush=True)
        if len(devices) - len(survey.occupied) >= count:
            deadline = None
        elif deadline is None:
            deadline = time.monotonic() + PATIENCE_SECONDS
        elif time.monotonic() > deadline:
            named = "; ".join(f"GPU {device.name} ({device.uuid}) {why}" for device, why in survey.occupied.items())
            raise UserError(f"GPUs needed: {count}, but {named}: end what uses them, or set {MASK} to others")
        time.sleep(POLL_SECONDS)


def _survey(devices: list[Device]) -> Survey:
    survey = Survey({}, {}, {})
    for device in devices:
        path = LOCKS / f"{device.uuid.replace('/', '_')}.lock"
        descriptor = _lock(path)
        if descriptor is not None:
            survey.free[device] = descriptor
        elif Path("/proc", holder := path.read_text()).is_dir():
            survey.leased[device] = f"is leased by process {holder}"
        else:
            survey.occupied[device] = f"is held by a child of process {holder}, which is dead"
    # Asked with the locks in hand: whoever held one before has either given its memory back by now, or kept it.
    for uuid, users in in_use().items():
        for device in [device for device in devices if device.uuid == uuid and device not in survey.leased]:
            survey.occupied[device] = f"is in use by {users}, without a lease"
            if device in survey.free:
                os.close(survey.free.pop(device))
    return survey


def _lock(path: Path) -> int | None:
    """Return the descriptor of a lock now taken on the file, with this process's number in it; None if it is taken."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    os.set_inheritable(descriptor, True)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    return descriptor


def in_use() -> dict[str, str]:
    """Return who uses each GPU that is not idle, by UUID; GPUs whose memory nvidia-smi does not tell count as idle."""
    processes: dict[str, list[str]] = {}
    for uuid, process in query("compute-apps", "gpu_uuid,pid"):
        processes.setdefault(uuid, []).append(process)
    return {
        uuid: f"processes {', '.join(processes[uuid])}" if uuid in processes else "processes that nvidia-smi cannot see"
        for uuid, used, total in query("gpu", "uuid,memory.used,memory.total")
        if used.isdigit() and total.isdigit() and int(used) > IDLE_SHARE * int(total)
    }


def query(what: str, fields: str) -> list[list[str]]:
    """Return the rows of a query of nvidia-smi, a cell for each field.

    Raises:
        UserError: There is no nvidia-smi, or it fails.
    """
    command = ["nvidia-smi", f"--query-{what}={fields}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UserError("a GPU is needed, but there is no nvidia-smi: install the driver, or use the CPU") from None
    if done.returncode:
        said = (done.stdout + done.stderr).strip() or f"status {done.returncode}"
        raise UserError(f"a GPU is needed, but nvidia-smi fails ({said.splitlines()[0]}): repair it, or use the CPU")
    rows = [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines()]
    return [row for row in rows if len(row) == fields.count(",") + 1]
