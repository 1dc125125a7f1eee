#!/usr/bin/env bash
# The solver's tests on a library with address and undefined-behaviour checks: any report fails.
set -euo pipefail
cd "$(dirname "$0")/.."
VENV=${PVI_VENV:-$PWD/.venv}
export VIRTUAL_ENV="$VENV" PATH="$VENV/bin:$PATH"
build=build/sanitize
cmake -S . -B "$build" -DPVI_SANITIZE=address,undefined > /dev/null
cmake --build "$build" --parallel "$(nproc)" > /dev/null
# Libraries beside the headers that their declarations are read from.
cmake --install "$build" --prefix "$build/installed" > /dev/null
export PVI_NATIVE_DIR="$PWD/$build/installed"
# Python itself is not instrumented: the runtime must come first, and its leaks are not ours.
asan=$(gcc -print-file-name=libasan.so)
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=halt_on_error=1
LD_PRELOAD="$asan" python -m pytest -q -m "not slow" -p no:cacheprovider \
  tests/numerics/test_variational_kernels.py \
  tests/numerics/test_acoustic_adjoint.py tests/numerics/test_acoustic_twin.py tests/mpi "$@"
