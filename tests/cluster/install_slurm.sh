#!/bin/sh
# Install Slurm and munge from Debian's or Ubuntu's packages, unless they are there.
set -eu
if command -v slurmctld slurmd sbatch munged >/dev/null; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    # Keeps the packages from starting their daemons; containers usually have this file.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
        trap 'rm /usr/sbin/policy-rc.d' EXIT
    fi
    export DEBIAN_FRONTEND=noninteractive
    if apt-get update -qq && apt-get install -qq --no-install-recommends slurmctld slurmd slurm-client munge >/dev/null; then
        exit 0
    fi
fi
cat >&2 <<'END'
**********************************************************************
*  THE CLUSTER TEST CANNOT RUN HERE: profiles/slurm is NOT tested.   *
*  It needs root and Slurm's packages: slurmctld, slurmd,            *
*  slurm-client and munge (Debian 12 or Ubuntu, through apt-get).    *
**********************************************************************
END
exit 1
