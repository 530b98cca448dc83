# Every target makes the virtual environment it needs: a Python and make are all it takes.
VENV := .venv
BIN := $(VENV)/bin

# The first interpreter that runs and is new enough; PYTHON=... overrides it.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	if $$python -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then echo $$python; break; fi; done)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONNOUSERSITE := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-all docs lint dist bench tables notebooks clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: $(VENV)/.demo ## train LeNet-5 on real digits: dense, the paper's splitting, proximal Adam
	@$(BIN)/python -m sgl_jax demo $(ARGS)

PYTEST = $(BIN)/python -m pytest -n 2 --max-worker-restart 0 --dist loadfile --no-loadscope-reorder

test: $(VENV)/.dev ## run the first tier of the tests: every entry, contract and document
	@$(PYTEST) -m "not slow" $(ARGS)

test-slow: $(VENV)/.dev ## run the second tier: more cases, deep networks, processes
	@$(PYTEST) -m "slow and not exhaustive" $(ARGS)

test-all: $(VENV)/.dev ## run every test, types of arguments checked
	@$(PYTEST) $(ARGS)

docs: $(VENV)/.dev ## build the documentation site, warnings as errors
	@rm -rf docs/_build docs/api
	@$(BIN)/python -m sphinx -q -W --keep-going docs docs/_build/html $(ARGS)
	@echo "docs/_build/html/index.html"

lint: $(VENV)/.dev ## check style, format, layers and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache --no-logo
	@$(BIN)/pyrefly check

dist: $(VENV)/.dev ## build the wheel and the sdist, and import the package from the wheel
	@rm -rf dist && $(BIN)/python -m pip install --quiet --quiet build
	@$(BIN)/python -m build
	@$(BIN)/python -m venv --clear dist/.venv
	@dist/.venv/bin/python -m pip install --quiet --quiet dist/*.whl
	@cd dist && .venv/bin/python -c "import sgl_jax; print(sgl_jax.__file__)"
	@rm -rf dist/.venv

bench: $(VENV)/.dev ## run the benchmarks, one after the other
	@set -e; for script in benchmarks/bench_*.py; do \
		echo "== $$script"; $(BIN)/python $$script $(ARGS); done

tables: $(VENV)/.dev ## rewrite the tables of the pages from catalogues and records
	@cd tests && ../$(BIN)/python -m support.tables

notebooks: $(VENV)/.dev ## execute the notebooks in place
	@$(BIN)/jupyter-execute --inplace notebooks/*.ipynb

clean: ## remove the virtual environment and the caches
	@rm -rf $(VENV) docs/_build docs/api .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist

$(BIN)/python:
	@test -n "$(PYTHON)" || { \
		echo "sgl_jax needs Python 3.11 or newer, found none: install one or give PYTHON=..."; \
		exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)

# The developers' environment holds the demo's, so that one serves both.
$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "Installing sgl_jax and its development tools into $(VENV)."
	@$(BIN)/python -m pip install --quiet --quiet --editable '.[dev]'
	@touch $(VENV)/.demo $@

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo "Installing sgl_jax into $(VENV)."
	@$(BIN)/python -m pip install --quiet --quiet --editable '.[demo]'
	@touch $@
