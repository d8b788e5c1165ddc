"""A job that leases GPUs and uses them for a while, for tests: python gpu_job.py LOCKS COUNT SECONDS [CHILD_SECONDS].

It uses a device by binding a socket named after it, which the kernel lets only one process have at a time. With
CHILD_SECONDS it starts a program that lives so long.
"""

import os
import socket
import sys
import time
from pathlib import Path

from l2s import gpus
from l2s.errors import UserError

locks, count, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
gpus.LOCKS = locks
gpus.POLL_SECONDS = 0.05
gpus.PATIENCE_SECONDS = float(os.environ.get("PATIENCE", "1"))
# Made before the lease: when a process dies, the kernel closes its descriptors in order, the locks' after these.
sockets = [socket.socket(socket.AF_UNIX) for _ in range(count)]
try:
    gpus.lease(count)
except UserError as error:
    sys.exit(f"error: {error}")
names = os.environ[gpus.MASK].split(",")
for name, used in zip(names, sockets, strict=True):
    used.bind(f"\0{locks}/{name}")
if len(sys.argv) > 4 and os.fork() == 0:
    os.execvp("sleep", ["sleep", sys.argv[4]])
print(f"has {','.join(names)}", flush=True)
time.sleep(seconds)
