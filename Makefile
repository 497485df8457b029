# callflow: `make demo` shows it, `make test` proves it; both do all set-up from a fresh clone.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, ensurepip; raise SystemExit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
BIN := .venv/bin
JOBS ?= 3

.PHONY: demo test lint types layers tests peers fuzz bench docs screenshots site fmt wheel clean

demo: .venv/.run
	@$(BIN)/callflow demo

test: lint types layers tests

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.dev
	$(BIN)/mypy

layers: .venv/.dev
	$(BIN)/lint-imports

# First what only computes, in more processes than processors; then real calls, which need one that is free at
# once, two files at a time. With files of bytecode, wherever these are switched off: tests start many processes.
tests: .venv/.dev
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n $(JOBS) --dist worksteal --real-calls without
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --real-calls only

# The npm programs that some tests talk to (a real CouchDB, an Express receiver); tests skip without them.
peers:
	cd tests/peers && npm install --no-audit --no-fund --no-package-lock --ignore-scripts

# The HTTP API, asked for all that its description allows and forbids; takes minutes.
fuzz: .venv/.dev
	$(BIN)/python -m tests.server.fuzz

bench: .venv/.dev
	$(BIN)/python -m benchmarks

# What is written from the code: docs/codes.md, tables of docs/modules, and the outputs that README.md shows.
docs: .venv/.dev
	$(BIN)/python -m tests.house.codes
	$(BIN)/python -m tests.house.pages
	$(BIN)/python -m tests.house.readme

# The console's pictures in docs/images, of a real server that was prepared; needs chromium.
screenshots: .venv/.dev
	$(BIN)/python -m tests.console.screenshots

# The pages as a site in build/site; a warning (a dead link, a page in no list) is an error.
site: .venv/.dev
	$(BIN)/python -m sphinx -q -W --keep-going -n -b html docs build/site

fmt: .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: .venv/.dev
	$(BIN)/python -m build --wheel

clean:
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache tests/peers/node_modules

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "callflow needs Python 3.11 or newer (with venv); none was found"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.run: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install -q -e .
	@touch $@

.venv/.dev: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install -q -e '.[dev]'
	@touch $@ .venv/.run
