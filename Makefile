# make demo | test | test-engine | nightly | check | docs | prove | clean      GNU make 3.81 or newer, Linux and macOS.
# Packages come from the index pip is configured for. PYTHON=… chooses the interpreter (3.11 or newer).

PYTHON  ?= $(firstword $(foreach p,python3 python3.14 python3.13 python3.12 python3.11,\
             $(shell $(p) -c 'import sys; sys.version_info >= (3, 11) and print("$(p)")' 2>/dev/null)) python3)
WORKERS ?= 2
VENV    := .venv
ENGINE  := .venv-engine
BIN     := $(VENV)/bin
PIP     := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
QUIET   := HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 TOKENIZERS_PARALLELISM=false

.PHONY: demo test test-engine nightly check docs prove clean
.DEFAULT_GOAL := demo

demo: $(VENV)/installed-train          ## Teach the shipped English model Urdu; the last line is the report's path.
	@$(BIN)/newtongue demo

test: $(VENV)/installed-dev            ## The whole test suite.
	$(QUIET) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

test-engine: $(ENGINE)/installed       ## The tests that need Ray, in an environment of their own.
	$(QUIET) OMP_NUM_THREADS=1 $(ENGINE)/bin/python -m pytest -rs tests/adapters/engine tests/stages/test_select_shards.py

nightly: $(VENV)/installed-dev         ## What takes minutes: a hundred and eight kills of runs in random trouble, 50 MB of text.
	$(QUIET) OMP_NUM_THREADS=1 KILLS=108 $(BIN)/python -m pytest -n $(WORKERS) tests/adapters/llm/test_faults.py
	$(QUIET) OMP_NUM_THREADS=1 NEWTONGUE_NIGHTLY=1 $(BIN)/python -m pytest tests/stages/test_vocabulary_size.py
	$(QUIET) OMP_NUM_THREADS=1 NEWTONGUE_NIGHTLY=1 $(BIN)/python -m pytest tests/run/test_synth_killed.py

check: $(VENV)/installed-dev           ## Style, types, layers, spelling.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell

docs: $(VENV)/installed-dev            ## Regenerate the pages that are made from the code.
	$(BIN)/python docs/generate.py

prove: $(VENV)/installed-dev           ## Kill the full demo twenty times; the result must not change. Takes an hour.
	$(QUIET) $(BIN)/python bench/prove.py

clean:                                 ## Remove what this file made; never runs/.
	rm -rf $(VENV) $(ENGINE) build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("newtongue needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed-train: pyproject.toml constraints.txt | $(BIN)/python
	@echo 'Installing into $(VENV), once; this takes some minutes.'
	$(PIP) --editable '.[train]'
	@touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo 'Installing into $(VENV), once; this takes some minutes.'
	$(PIP) --editable '.[dev]'
	@touch $(VENV)/installed-train $@

$(ENGINE)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(ENGINE)
	$(ENGINE)/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt \
	  --editable '.[dev,scale]'
	@touch $@
