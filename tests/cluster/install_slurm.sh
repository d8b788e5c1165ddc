#!/bin/sh
# Make sure that a Slurm can be started here: root, and the packages, which apt-get installs if they are not there.
set -eu

is_there() {
    for command in slurmctld slurmd sbatch munged; do
        command -v "$command" >/dev/null || return 1
    done
}

install() {
    command -v apt-get >/dev/null || return 1
    # Keeps the packages from starting their daemons; containers usually have this file.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        trap 'rm /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -qq --no-install-recommends slurmctld slurmd slurm-client munge >/dev/null
}

if [ "$(id -u)" = 0 ] && { is_there || install; }; then
    exit 0
fi
cat >&2 <<'END'
**********************************************************************
*                                                                    *
*   THE CLUSTER TEST CANNOT RUN HERE: profiles/slurm IS NOT TESTED   *
*                                                                    *
*   It needs root, and Slurm with munge: slurmctld, slurmd, sbatch   *
*   and munged on the PATH, or apt-get to install them from the      *
*   packages of Debian or Ubuntu.                                    *
*                                                                    *
**********************************************************************
END
exit 1
