#!/usr/bin/env bash
# Installs Slurm and Grid Engine from the packages of Debian or Ubuntu, for `make test-clusters`.
# Starts no daemon and configures none: the tests run their own, in temporary folders.
set -euo pipefail

programs=(munged slurmctld slurmd sge_qmaster sge_execd qsub)
missing=0
for program in "${programs[@]}"; do
  command -v "$program" > /dev/null || missing=1
done
[ $missing = 1 ] || exit 0

if [ "$(id -u)" != 0 ]; then
  echo "install-clusters: installing packages needs root; run: sudo scripts/install-clusters.sh" >&2
  exit 1
fi
if ! command -v apt-get > /dev/null; then
  echo "install-clusters: only knows apt; install ${programs[*]} yourself, then try again" >&2
  exit 1
fi

# Packages must not start services here, where there may be no init to run them.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' > $policy
  chmod +x $policy
  trap 'rm -f $policy' EXIT
fi
debconf-set-selections << END
gridengine-common shared/gridengineconfig boolean true
gridengine-common shared/gridenginecell string default
gridengine-common shared/gridenginemaster string $(hostname)
END
# A host's own name must lead to an address: Grid Engine asks for it.
getent hosts "$(hostname)" > /dev/null || echo "127.0.0.1 $(hostname)" >> /etc/hosts
export DEBIAN_FRONTEND=noninteractive
options=(-y -q --no-install-recommends -o DPkg::Lock::Timeout=300)
apt-get update -q
apt-get install "${options[@]}" slurm-wlm munge
apt-get install "${options[@]}" gridengine-master gridengine-exec gridengine-client
