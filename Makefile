# `make` shows what there is. Make itself, git and python3 are all that has to be here before.
.DEFAULT_GOAL := help
.PHONY: help demo test lint chaos bench broker-status broker-stop broker-reset services-stop services-reset clean

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin
RUN := $(BIN)/python -m
PIP := $(RUN) pip --disable-pip-version-check -qq
# As pip does for what it installs, unless that is editable.
COMPILE := $(RUN) compileall -q publisher consumers project

help: ## Show these targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.demo ## Site, relay and consumers, with visitors; ARGS=--once ends by itself
	@broker="$$($(RUN) tools.broker env)" || exit 1; eval "$$broker"; exec $(BIN)/python manage.py demo $(ARGS)

test: $(VENV)/.dev ## All tests, against a real broker, three at a time; with ARGS, what pytest makes of them
	@exec $(RUN) pytest $(or $(ARGS),--numprocesses=3 --dist=worksteal)

lint: $(VENV)/.dev ## ruff, mypy and import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

chaos: $(VENV)/.dev ## Crashes and outages, on purpose; ARGS="--scenario consumers --seed 7 --broker docker"
	@$(RUN) pytest -m chaos -q >&2
	@exec $(RUN) tests.chaos $(ARGS)

bench: $(VENV)/.bench ## The benchmarks, beside their peers; ARGS="--quick --only relay"
	@exec $(RUN) bench $(ARGS)

broker-status: $(VENV)/.demo ## What broker runs, and where
	@$(RUN) tools.broker status

broker-stop: ## Stop the private broker
	@if [ -x $(BIN)/python ]; then $(RUN) tools.broker stop; fi

broker-reset: ## Stop the private broker and delete its data
	@if [ -x $(BIN)/python ]; then $(RUN) tools.broker reset; fi

services-stop: ## Stop the databases and the broker that the tests keep running
	@if [ -x $(BIN)/python ]; then $(RUN) tools.databases stop; fi

services-reset: ## Stop them and delete their data
	@if [ -x $(BIN)/python ]; then $(RUN) tools.databases reset; fi

clean: broker-reset services-reset ## Stop everything, delete all that was made here
	rm -rf .venv .venv-* .broker .services .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	rm -rf build dist staticfiles .coverage db.sqlite3*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo "Installing what the demo needs into $(VENV)" >&2
	@$(PIP) install --upgrade "pip>=25.1"
	@$(PIP) install --editable . --group demo
	@$(COMPILE)
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "Installing what the tests need into $(VENV)" >&2
	@$(PIP) install --upgrade "pip>=25.1"
	@$(PIP) install --editable . --group dev
	@$(COMPILE)
	@touch $@ $(VENV)/.demo

$(VENV)/.bench: pyproject.toml | $(BIN)/python
	@echo "Installing what the benchmarks compare with into $(VENV)" >&2
	@$(PIP) install --upgrade "pip>=25.1"
	@$(PIP) install --editable . --group bench
	@$(COMPILE)
	@touch $@ $(VENV)/.demo

$(BIN)/python:
	@$(PYTHON) -m tools.environment $(VENV)
