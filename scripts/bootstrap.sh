#!/usr/bin/env bash
# The one set-up path of `make demo`, `make test` and CI: a virtual environment in .venv with
# every dependency and the compiled solver. Safe to run again; needs no root.
set -euo pipefail
cd "$(dirname "$0")/.."
VENV=${PVI_VENV:-$PWD/.venv}
stamp="$VENV/.pvi-bootstrap"
# An environment keeps the extras it was made with: never a second MPI beside the site's.
EXTRAS=${PVI_EXTRAS:-$(sed -n 2p "$stamp" 2> /dev/null || true)}
EXTRAS=${EXTRAS:-mpi,cluster,dev,docs,petsc,projection,umbridge}

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3; do
    [ -n "$candidate" ] && command -v "$candidate" > /dev/null || continue
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || continue
    echo "$candidate" && return
  done
  echo "bootstrap: needs Python 3.11 or newer; set PYTHON=/path/to/python" >&2
  return 1
}

if [ ! -x "$VENV/bin/python" ]; then
  echo "bootstrap: making the environment $VENV"
  "$(find_python)" -m venv "$VENV"
fi
export VIRTUAL_ENV="$VENV" PATH="$VENV/bin:$PATH"
unset PYTHONPATH PYTHONHOME

# One hash of what the environment is made from: nothing changed, nothing to do.
wanted=$(cat pyproject.toml scripts/bootstrap.sh scripts/petsc.sh CMakeLists.txt solvers/*/* | sha256sum)
wanted=$(printf '%s\n%s' "$wanted" "$EXTRAS")
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
  exit 0
fi

echo "bootstrap: installing packages (about 1.5 GB on disk, some minutes on a slow line)"
pip_install="python -m pip install -q --disable-pip-version-check"
$pip_install uv || echo "bootstrap: no uv, pip does the work"
# uv does not read pip's local wheel folders; a folder that does not exist is an error.
links=""
for folder in ${PIP_FIND_LINKS:-}; do
  [ -d "$folder" ] && links="$links,$folder"
done
export UV_FIND_LINKS="${UV_FIND_LINKS:-${links#,}}"
[ -n "$UV_FIND_LINKS" ] || unset UV_FIND_LINKS

# Else every process compiles torch anew where PYTHONDONTWRITEBYTECODE is set: 5.4 s, not 1.9.
export UV_COMPILE_BYTECODE=1

# uv is ten times as fast, but does not know every proxy and certificate that pip is set up for.
install() {
  if command -v uv > /dev/null && uv pip install -q "$@"; then return; fi
  $pip_install "$@"
}
# PETSc has no wheels: it is built below, never by pip with whatever it finds.
python scripts/requirements.py "$EXTRAS" --without petsc4py > "$VENV/requirements.txt"
install -r "$VENV/requirements.txt"

echo "bootstrap: building the solver"
# A container leaves the source tree behind: it gets the wheel (PVI_WHEEL=1).
if [ -n "${PVI_WHEEL:-}" ]; then tree=(.); else tree=(-e .); fi
install --no-build-isolation --no-deps "${tree[@]}"
if [[ ",$EXTRAS," == *,petsc,* ]] && ! scripts/petsc.sh; then
  echo "bootstrap: no PETSc; all but some correlated priors works without it, and tests that" \
    "need it are skipped. To try again: scripts/petsc.sh"
fi
echo "$wanted" > "$stamp"
echo "bootstrap: done in $SECONDS s"
