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
# A report goes past pytest's capture. Every kernel in every precision and order, all storages,
# threads and ranks; not what repeats the same calls for the sake of accuracy.
LD_PRELOAD="$asan" python -m pytest -q -x --capture=sys -m "not slow" -p no:cacheprovider \
  tests/numerics/test_variational_kernels.py tests/numerics/test_acoustic_twin.py \
  tests/numerics/test_dispersion.py \
  tests/numerics/test_acoustic_adjoint.py tests/numerics/test_packed_kernel.py \
  tests/numerics/test_gradient_storage.py::test_segments_run_again_give_the_same_bits_as_full_storage \
  tests/numerics/test_gradient_storage.py::test_a_history_on_disk_gives_the_same_bits_and_leaves_no_file \
  tests/numerics/test_gradient_storage.py::test_threads_do_not_change_the_bits_of_packed_storage \
  tests/numerics/test_born.py::test_the_gauss_newton_product_is_symmetric_and_weighted \
  tests/mpi/test_acoustic_ranks.py \
  --deselect tests/numerics/test_acoustic_adjoint.py::test_the_gradient_passes_the_taylor_test "$@"
