#!/usr/bin/env bash
# Everything about form: Python, C, workflow. Runs all checks, fails if one fails.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=0
check() {
  echo "lint: $*"
  "$@" || failed=1
}
check ruff check .
check ruff format --check .
check mypy
# Folders on their own: each has a conftest.
for folder in tests/*/ benchmarks scripts docs/examples; do
  check mypy --config-file tests/mypy.ini "$folder"
done
check lint-imports --no-cache
check clang-format --dry-run --Werror solvers/*/*.[ch] docs/examples/*.c
check snakefmt --check Snakefile workflow
scratch=$(mktemp -d)
check snakemake --lint --directory "$scratch" --configfile config/demo.yaml
rm -rf "$scratch"
exit $failed
