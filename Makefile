# `make demo` and `make test` are each enough alone on a fresh machine with a Python and the package index.
#   PYTHON=3.11      a version, or a command; without it the newest of 3.13, 3.12 and 3.11 that runs
#   VENV=.venv-311   another place for the environment
#   JOBS=1           how many processes run the tests, else 2
#   ARGS='-k lif'    more arguments for pytest, or for the experiment of the demo
VENV ?= .venv
PYTHON ?=
PY = $(VENV)/bin/python
JOBS ?= 2
PYTEST = $(PY) -m pytest -q -n $(JOBS) --dist worksteal

.PHONY: help setup demo test test-slow test-peers peers lint format constraints clean

help:
	@echo "make demo         set up, train on the generated events and say where the result lies"
	@echo "make test         set up and run the tests (test-slow: the slow ones, test-peers: against five other libraries)"
	@echo "make setup        prepare $(VENV) alone"
	@echo "make lint         ruff and pyrefly (format: let ruff mend what it can)"
	@echo "make constraints  resolve the versions of constraints/ anew (needs uv)"
	@echo "make clean        remove the environments and what was built; runs/ stays"

setup:
	@tools/setup "$(VENV)" "$(PYTHON)"

demo: setup
	$(PY) -m experiments.classify smoke --out runs/smoke $(ARGS)
	@echo "The result lies in runs/smoke: result.json, and the figures beside it."

test: setup
	$(PYTEST) -m "not slow" $(ARGS)

test-slow: setup
	$(PYTEST) -m slow $(ARGS)

test-peers: peers
	$(PYTEST) -m peers $(ARGS)

peers: setup
	@tools/setup-peers "$(VENV)"

lint: setup
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/pyrefly check --python-interpreter-path $(PY)

format: setup
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

constraints:
	tools/constraints

clean:
	rm -rf .venv .venv-* build dist .pytest_cache .ruff_cache .hypothesis
