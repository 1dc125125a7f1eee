# Two commands set everything up by themselves: `make demo` and `make test`.
VENV ?= $(CURDIR)/.venv
export PVI_VENV := $(VENV)
export PATH := $(VENV)/bin:$(PATH)
# One thread for each process: ranks and workers use the cores.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

# A process of pytest for each core, which takes one test after another: some take a minute.
PYTEST := python -m pytest --numprocesses logical --maxprocesses 8 --dist load --maxschedchunk 1 --ignore=tests/cluster

.PHONY: help setup demo test test-quick test-long test-clusters test-faults lint docs sanitize format bench-solver bench-variational bench-posterior bench-priors bench-amortised clean

help:
	@echo "make demo        set up, invert a small synthetic survey, write its report"
	@echo "make test        set up, run every test"
	@echo "make test-quick  set up, run the tests that take seconds"
	@echo "make test-long   set up, run what tests repeat with more cases and longer chains"
	@echo "make test-clusters  as root: install Slurm and Grid Engine, run the tests on them"
	@echo "make test-faults    as root: break runs on them in every known way, an hour or more"
	@echo "make lint        formatters, linters, types, workflow"
	@echo "make docs        the documentation site, into build/docs"
	@echo "make sanitize    the compiled kernels under address and undefined-behaviour checks"
	@echo "make bench-variational  measure the variational methods; last line: JSON"
	@echo "make bench-posterior  run the demo and the priors; last line: JSON"
	@echo "make bench-priors  measure prior replacement and linear response; last line: JSON"
	@echo "make bench-amortised  measure learnt posteriors (fetches sbibm); last line: JSON"
	@echo "make bench-solver  compare it with Devito and Deepwave (installs both in .venv-peers)"
	@echo "make clean       remove the environment and build files (results stay)"

setup:
	@scripts/bootstrap.sh

demo: setup
	pvi demo

test: setup
	$(PYTEST) -m "not long"

test-quick: setup
	$(PYTEST) -m "not slow and not long"

test-long: setup
	$(PYTEST) -m long

test-clusters: setup
	scripts/install-clusters.sh
	python scripts/test_clusters.py

test-faults: setup
	scripts/install-clusters.sh
	python tests/cluster/fault_suite.py

lint: setup
	scripts/lint.sh

# A warning, a dead link to a page or heading included, is an error.
docs: setup
	python -m sphinx -W --keep-going -q -b html docs build/docs
	@echo "Open build/docs/index.html"

sanitize: setup
	scripts/sanitize.sh

format: setup
	ruff check --fix . && ruff format . && snakefmt Snakefile workflow
	clang-format -i solvers/*/*.[ch] docs/examples/*.c

bench-variational: setup
	python benchmarks/variational.py

bench-posterior: setup
	python benchmarks/posterior.py

bench-priors: setup
	python benchmarks/hypotheses.py

bench-amortised: setup
	pip install --quiet --requirement benchmarks/amortised-requirements.txt
	pip download --quiet --no-deps --dest build/sbibm sbibm==1.1.0
	python benchmarks/amortised.py --wheel build/sbibm/*.whl $(BENCH)

bench-solver: setup
	python benchmarks/wave/compare.py

clean:
	rm -rf .venv .venv-peers build
