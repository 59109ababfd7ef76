# One short command per act. `make run` and `make test` each work alone on a fresh clone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(BIN):$(PATH)
unexport PYTHONDONTWRITEBYTECODE   # containers set it; without compiled modules each process takes 15 s more to import torch

.PHONY: help setup run demo test test-long faults shots docs soak check format lock clean

help:            ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

setup: $(READY)  ## install what is locked, and the command driftline, into .venv

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Driftline needs Python 3.11 or newer; name one with make PYTHON=python3.12"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	$(BIN)/python -W ignore -c "import dvc.repo, evidently, great_expectations, prefect, torch; from transformers import Trainer"   # compiles them
	@touch $@

run: $(READY)    ## the whole pipeline: driftline run
	@driftline run

demo: $(READY)   ## three months of mail in five minutes: alarm, refit, promotion, rollback; touches nothing here
	@driftline demo

test: $(READY)   ## the quick tests and the best proof of each promise, the same examples everywhere; coverage must not fall
	OMP_NUM_THREADS=1 python -m pytest --numprocesses 2 --dist loadfile -m "not slow or proof" --cov --durations 20

test-long: $(READY)   ## what .ci/run leaves out, and new examples by a printed seed; goes on where it was; writes tests/LONG.md
	python -m tests.long

faults: $(READY)  ## damaged files, kills and failing machines, a thousand of them; goes on where it was; docs/reliability.md
	python -m tests.faults

shots: $(READY)  ## the pictures of docs/, in some minutes; needs the extra browser and Chromium
	python -m tests.shots

docs: $(READY)   ## the documentation as a site, in .site/: open .site/index.html; asks nothing of the network once built
	@python -c "import material" 2>/dev/null || python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 python -m mkdocs build --strict --quiet

soak: $(READY)   ## thirty runs by a worker and by serve with kill -9, 50 killed trainings, killed servers; hours, goes on where it was
	python -m pytest -m soak

check: $(READY)  ## format, lint, types, declared dependencies
	ruff format --check .
	ruff check .
	mypy
	deptry .

format: $(READY) ## put the code into its format
	ruff format .
	ruff check --fix .

lock: $(READY)   ## write requirements.lock and environment.json anew from pyproject.toml's ranges
	rm -rf .lock && $(PYTHON) -m venv .lock
	.lock/bin/python -m pip install --quiet '.[dev]'
	.lock/bin/python -m pip freeze --all --exclude driftline --exclude pip --exclude setuptools --exclude wheel | sed 's/+cpu$$//' > requirements.lock
	rm -rf .lock
	driftline environment

clean:           ## forget what can be made again, but not DVC's cache
	rm -rf .mypy_cache .pytest_cache .ruff_cache .checkpoints .site
