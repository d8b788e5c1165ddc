"""A real Slurm of one node with simulated GPUs, started by hand: root is needed, systemd and a database are not."""

import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

GPUS = 4
FOLDER = Path("/tmp/l2s-slurm")  # always the same, so that the next start finds what a killed test left running
ETC = Path("/etc/slurm")

CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
# nothing that needs cgroups or a database
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
# squeue shows a finished job for so many seconds, which is how Snakemake learns of it
MinJobAge=300
# CPUs and memory are what is written here, not what the machine has
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,bf_interval=1,sched_interval=1,sched_min_interval=0
GresTypes=gpu
# without a database, Slurm itself does not keep which devices a job had
Prolog={folder}/prolog
NodeName={host} NodeAddr=127.0.0.1 CPUs=64 RealMemory=500000 Gres=gpu:h200:{gpus}
PartitionName=cpu Nodes={host} Default=YES
PartitionName=gpu Nodes={host}
"""


def start() -> None:
    """Start munged, slurmctld and slurmd, and wait until the node takes jobs."""
    stop()
    for name in ("slurm.conf", "gres.conf"):
        if (ETC / name).exists():
            raise RuntimeError(f"{ETC / name}: this machine has a Slurm of its own; run the test elsewhere")
    for part in ("state", "spool"):
        (FOLDER / part).mkdir(parents=True)
    for index in range(GPUS):  # Slurm takes character devices only; these are further names of /dev/null
        os.mknod(FOLDER / f"gpu{index}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    (FOLDER / "prolog").write_text(f"#!/bin/sh\necho $SLURM_JOB_ID $SLURM_JOB_GPUS >>{FOLDER}/devices\n")
    (FOLDER / "prolog").chmod(0o755)
    (FOLDER / "munge.key").write_bytes(secrets.token_bytes(1024))
    (FOLDER / "munge.key").chmod(0o400)
    host = socket.gethostname().split(".")[0]
    (FOLDER / "slurm.conf").write_text(CONFIG.format(folder=FOLDER, host=host, ports=free_ports(2), gpus=GPUS))
    (FOLDER / "gres.conf").write_text(f"AutoDetect=off\nName=gpu Type=h200 File={FOLDER}/gpu[0-{GPUS - 1}]\n")
    ETC.mkdir(exist_ok=True)
    for name in ("slurm.conf", "gres.conf"):  # here, because Snakemake's job steps drop SLURM_CONF
        (ETC / name).symlink_to(FOLDER / name)
    of_munge = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munged.pid", "log-file": "munged.log"}
    run("munged", "--force", f"--seed-file={FOLDER}/seed", *(f"--{key}={FOLDER}/{of_munge[key]}" for key in of_munge))
    run("slurmctld")
    run("slurmd", "-N", host)
    wait(lambda: run("sinfo", "--noheader", "--format=%T", check=False).startswith("idle"), 30, "the node is not idle")


def stop() -> None:
    """Stop what ``start`` started, now or in a killed test, and remove it."""
    if (FOLDER / "slurmctld.pid").exists():
        run("scancel", "--user=root", check=False)
        wait(lambda: not run("squeue", "--noheader", check=False), 60, "jobs do not stop")
    for name in ("slurmd", "slurmctld", "munged"):
        pid = FOLDER / f"{name}.pid"
        process = Path("/proc", pid.read_text().strip()) if pid.exists() else None
        if process and process.is_dir() and (process / "comm").read_text().strip() == name:
            os.kill(int(process.name), signal.SIGKILL)  # nothing of theirs is kept
    for name in ("slurm.conf", "gres.conf"):
        if (ETC / name).is_symlink() and (ETC / name).readlink() == FOLDER / name:
            (ETC / name).unlink()
    shutil.rmtree(FOLDER, ignore_errors=True)


def jobs() -> list[dict[str, str]]:
    """Return what Slurm knows of every job since it was started, and as ``Devices`` which GPUs it had."""
    lines = run("scontrol", "--oneliner", "show", "job").splitlines()
    known = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]
    devices = dict(line.partition(" ")[::2] for line in (FOLDER / "devices").read_text().splitlines())
    return [job | {"Devices": devices[job["JobId"]]} for job in known]


def run(*command: str, check: bool = True) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


def wait(reached, seconds: float, otherwise: str) -> None:
    """Wait until a condition holds."""
    give_up = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > give_up:
            raise RuntimeError(f"{otherwise}; see the logs in {FOLDER}")
        time.sleep(0.1)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
