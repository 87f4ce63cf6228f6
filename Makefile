# Every target works on a fresh clone with Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-quick check format docs bench bench-quick clean help

help:           ## list the targets
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/: .*## */\t/' | expand -t 16

demo: $(VENV)/.user  ## train on Python's own source code, measure memory, sample (minutes)
	$(BIN)/engram demo

# Two processes with one thread each; a file's tests stay together, so its fixtures are made once.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder

test: $(VENV)/.dev  ## run all tests (minutes)
	$(PYTEST)

test-quick: $(VENV)/.dev  ## run the tests that are not marked slow
	$(PYTEST) -m 'not slow'

check: $(VENV)/.dev  ## check formatting, lint, types and import contracts
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## format the sources and apply lint fixes
	$(BIN)/ruff format src tests benchmarks
	$(BIN)/ruff check --fix src tests benchmarks

docs: $(VENV)/.docs  ## regenerate the generated pages and build the site in site/
	$(BIN)/python -m engram.pages docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

bench: $(VENV)/.bench  ## time layers and the trainer against their peers (a quarter of an hour)
	$(BIN)/python -m benchmarks.cells
	$(BIN)/python -m benchmarks.trainer

bench-quick: $(VENV)/.bench  ## time the layers' key figures only (two minutes)
	$(BIN)/python -m benchmarks.cells --quick

clean:          ## remove the virtual environment, the site and caches
	rm -rf $(VENV) site .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Engram needs Python 3.11 or newer; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.user: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@ $(VENV)/.user

$(VENV)/.docs: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,docs]'
	touch $@ $(VENV)/.dev $(VENV)/.user

$(VENV)/.bench: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,bench]'
	touch $@ $(VENV)/.dev $(VENV)/.user
