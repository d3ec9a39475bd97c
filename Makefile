# Everything sets itself up: a machine needs Python 3.11 or newer, make, and a package index.

SHELL := /bin/sh
.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help

VENV := .venv
# The SDKs' previous majors, in a virtual environment of their own beside everything else.
PREVIOUS := $(VENV)/previous
# Other people's instrumentations, in as many environments as their requirements need.
FOREIGN := $(VENV)/foreign-newest/.ready $(VENV)/foreign-older/.ready
FOREIGN_PINS := tests/sidecar/foreign
BIN := $(VENV)/bin

# The first of these that is new enough and can make virtual environments. `make PYTHON=…` takes another.
CANDIDATES := python3 python3.13 python3.12 python3.11 python3.14 python
FITS := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for each in $(CANDIDATES); do $$each -c "$(FITS)" 2>/dev/null && echo $$each && break; done)

PIP_OPTIONS := --quiet --disable-pip-version-check --no-input
PINNED := $(PIP_OPTIONS) --constraint constraints.txt --build-constraint constraints.txt
PINNED_PREVIOUS := $(PIP_OPTIONS) --constraint constraints-previous.txt --build-constraint constraints-previous.txt

# Their tests, and no other SDK's: those are not there.
COMPATIBILITY := $(wildcard tests/cli/test_demo.py tests/capture/test_scenarios*.py tests/capture/test_denied.py tests/capture/test_caps.py \
	tests/capture/providers/test_platforms.py \
	tests/capture/providers/test_openai*.py tests/capture/providers/test_anthropic*.py)
OF_OTHERS := google or groq or ollama or mistralai or cohere or bedrock-sync or bedrock-async

# What is killed in them is killed as often as `TOLLKEEPER_CRASH_ROUNDS` says.
CRASHES := tests/sidecar/test_crashes.py tests/storage/spool/test_kill.py \
	tests/storage/counters/test_races.py tests/storage/counters/test_sqlite.py

# A process for each core, and whole files to each: what a file shares is made once.
SIDE_BY_SIDE := --numprocesses auto --maxprocesses 4 --dist loadfile

# Draws dashboards with Grafana's own components.
SCREENSHOTS := tools/screenshots

.PHONY: help demo stack test foreign test-newest test-previous crash lint bench bench-sidecar bench-insight build screenshots screenshots-pages lock clean

help:  ## Show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo  ## A simulated provider, an app that uses it, and what Tollkeeper sees (ends by itself)
	@$(BIN)/tollkeeper demo $(ARGS)

stack: $(VENV)/.dev  ## Sidecar, app, Prometheus and Alertmanager, and what fires, until Ctrl-C (needs Debian's packages of both)
	@$(BIN)/python deploy/stack.py $(ARGS)

test: test-newest test-previous  ## All tests, and then those of openai and anthropic with the SDKs' previous majors

foreign: $(FOREIGN)  ## The environments of other people's instrumentations, for their tests

test-newest: $(VENV)/.dev $(FOREIGN)  ## All tests, with the newest SDKs (ARGS="-k streams" chooses)
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

test-previous: $(PREVIOUS)/.ready  ## The tests of openai and anthropic, with the previous majors
	@$(PREVIOUS)/bin/python -m pytest $(COMPATIBILITY) -k "not ($(OF_OTHERS))" $(SIDE_BY_SIDE) $(ARGS)

crash: $(VENV)/.dev  ## Kill apps, sidecar and writers at random points, 100 times each (an hour; ROUNDS=10 is shorter)
	@TOLLKEEPER_CRASH_ROUNDS=$(or $(ROUNDS),100) $(BIN)/python -m pytest $(CRASHES) -k killed_at $(ARGS)

lint: $(VENV)/.dev  ## ruff and mypy
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

bench: $(VENV)/.dev  ## What a call costs with Tollkeeper and without
	@$(BIN)/python benchmarks/overhead.py $(ARGS)

bench-sidecar: $(VENV)/.dev  ## What spool, receiver and sidecar take in (minutes; benchmarks/ledger.py takes longer)
	@$(BIN)/python benchmarks/spool.py
	@$(BIN)/python benchmarks/receive.py
	@$(BIN)/python benchmarks/ingest.py
	@$(BIN)/python benchmarks/pages.py

bench-insight: $(VENV)/.dev  ## How many anomalies are found and how many are false, and how good forecasts are (minutes)
	@$(BIN)/python benchmarks/anomalies.py
	@$(BIN)/python benchmarks/forecasts.py

build: $(VENV)/.dev  ## Dashboards and rules, in dashboards/, and wheel and sdist, in dist/
	@$(BIN)/python -W ignore::DeprecationWarning -m tollkeeper.grafana.build
	@$(BIN)/python -m build

screenshots: $(VENV)/.dev $(SCREENSHOTS)/node_modules  ## Pictures of the dashboards, and of a mail (needs npm and /usr/bin/chromium; 6 minutes)
	@npm --prefix $(SCREENSHOTS) run --silent bundle -- --log-level=warning
	@$(BIN)/python $(SCREENSHOTS)/take.py $(ARGS)
	@$(BIN)/python $(SCREENSHOTS)/mail.py

screenshots-pages: $(VENV)/.dev  ## Pictures of the sidecar's own pages (needs /usr/bin/chromium; a minute)
	@$(BIN)/python $(SCREENSHOTS)/pages.py $(ARGS)

lock:  ## Write both constraints files anew, from the newest that pyproject.toml allows
	@$(PYTHON) -m venv --clear $(VENV)/lock
	@$(VENV)/lock/bin/pip install $(PIP_OPTIONS) --upgrade pip
	@$(VENV)/lock/bin/pip install $(PIP_OPTIONS) --editable . --group dev
	@$(VENV)/lock/bin/pip freeze --all --exclude-editable --exclude setuptools | grep -v ' @ ' > constraints.txt
	@$(PYTHON) -m venv --clear $(VENV)/lock
	@$(VENV)/lock/bin/pip install $(PIP_OPTIONS) --upgrade pip
	@$(VENV)/lock/bin/pip install $(PIP_OPTIONS) --editable . --group previous hatchling
	@$(VENV)/lock/bin/pip freeze --all --exclude-editable --exclude setuptools | grep -v ' @ ' > constraints-previous.txt
	@rm -rf $(VENV)/lock

clean:  ## Remove the virtual environments, what was built, and all caches
	@rm -rf $(VENV) .cache dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find src tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.base: constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer, with its venv module, is needed." >&2; exit 1; }
	@echo "Setting up $(VENV) …"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install $(PIP_OPTIONS) --constraint constraints.txt --upgrade pip
	@touch $@

$(VENV)/.demo: $(VENV)/.base pyproject.toml
	@echo "Installing Tollkeeper for the demo …"
	@$(BIN)/python -m pip install $(PINNED) --editable '.[demo,prometheus]'
	@touch $@

$(VENV)/.dev: $(VENV)/.base pyproject.toml
	@echo "Installing Tollkeeper with all that its tests need …"
	@$(BIN)/python -m pip install $(PINNED) --editable . --group dev
	@touch $@

$(PREVIOUS)/.ready: $(VENV)/.base pyproject.toml constraints-previous.txt
	@echo "Installing the SDKs' previous majors …"
	@$(PYTHON) -m venv --clear $(PREVIOUS)
	@$(PREVIOUS)/bin/python -m pip install $(PIP_OPTIONS) --constraint constraints-previous.txt --upgrade pip
	@$(PREVIOUS)/bin/python -m pip install $(PINNED_PREVIOUS) --editable . --group previous
	@touch $@

$(SCREENSHOTS)/node_modules: $(SCREENSHOTS)/package.json
	@npm --prefix $(SCREENSHOTS) install --silent --legacy-peer-deps --no-audit --no-fund --no-package-lock
	@touch $@

$(VENV)/foreign-%/.ready: $(FOREIGN_PINS)/%.in $(FOREIGN_PINS)/%.txt | $(VENV)/.base
	@echo "Installing other people's instrumentations ($*) …"
	@$(PYTHON) -m venv --clear $(VENV)/foreign-$*
	@$(VENV)/foreign-$*/bin/python -m pip install $(PIP_OPTIONS) --requirement $(FOREIGN_PINS)/$*.in --constraint $(FOREIGN_PINS)/$*.txt
	@touch $@
