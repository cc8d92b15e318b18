# The two commands of the README, and what a developer runs before a commit. Needs python3 with venv, and make.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# torch comes first and alone: PyTorch publishes its CPU build as +cpu; the other build for Linux brings gigabytes of
# CUDA, which only a machine with a GPU should download.
ifeq ($(shell uname -sm),Linux x86_64)
  TORCH ?= torch==2.13.0$(if $(shell command -v nvidia-smi),,+cpu)
else
  TORCH ?= torch==2.13.0
endif

.PHONY: help install demo test test-long check docs sbom audit clean

help: ## Show these targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(VENV)/installed ## Make the environment in .venv

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@$(BIN)/python -m pip install --quiet "$(TORCH)" || { \
	  echo "No $(TORCH) in the package index that pip uses here. Either add PyTorch's index of CPU builds"; \
	  echo "(PIP_EXTRA_INDEX_URL=..., its address is on PyTorch's installation page) and run make again, or take"; \
	  echo "the build with CUDA, several gigabytes:  make $(or $(MAKECMDGOALS),install) TORCH=torch==2.13.0"; \
	  exit 1; }
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	@touch $@

demo: install ## Send synthetic studies through the whole system and show what a PACS gets back
	$(BIN)/echoworker demo

test: install ## Run the tests but for the long ones; those whose servers are not installed are skipped
	$(BIN)/pytest -m "not long"

test-long: install ## The long ones: the whole product and real peers as processes, killed and cut off; damage at random
	$(BIN)/pytest -m long --numprocesses=3  # each is several processes itself

check: install ## Lint, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: install ## The pages of docs/, into build/site
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	$(BIN)/mkdocs build --quiet --config-file .ci/mkdocs.yml

sbom: install ## The bill of materials of this environment (CycloneDX), into build/sbom.json
	$(BIN)/python -m pip install --quiet --editable ".[release]"
	mkdir -p build
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON -o build/sbom.json $(BIN)/python

audit: install ## Ask an advisory service about every library of this environment; needs the internet
	$(BIN)/python -m pip install --quiet --editable ".[release]"
	$(BIN)/pip-audit --skip-editable --desc

clean: ## Remove the environment, the caches and the demo's data
	rm -rf $(VENV) demo-data build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
