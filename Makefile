# The one definition of each task, used by people, CI and the README. `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
# Every process that the tests start would compile gnomon again, and a person's Python each time.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help setup demo test check fuzz faults schemas bench constraints clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.setup ## install gnomon with everything to develop it, into .venv

demo: $(VENV)/.runtime ## run all of gnomon on this machine
	$(BIN)/gnomon demo

# Three processes on two cores, because tests mostly wait for Kafka or another process. The tests of a file
# stay together. The machine is full meanwhile, so what failed runs once more with nothing beside it; both
# results are shown.
test: setup ## run every test, with a real broker; those that fail a second time, alone
	$(BIN)/pytest -n 3 --dist loadfile || { \
		echo "==> The tests above that failed run once more, alone"; \
		$(BIN)/pytest --last-failed --last-failed-no-failures none; }

check: setup ## style, types, layers, and the public contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/gnomon schemas check

fuzz: setup ## attack the compiled modules for 60 s, with sanitizers where gcc has them; SECONDS=600: longer
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60)

faults: setup ## kill, freeze and restart broker and workers, then verify every record; LONG=1: 300 faults
	$(BIN)/python -m tests.faults $(if $(LONG),--long,--events 100000)

schemas: $(VENV)/.runtime ## write schemas/ from the event classes
	$(BIN)/gnomon schemas export --out schemas

bench: setup ## measure throughput beside other engines, latency, memory, partitions; QUICK=1: under 3 min
	$(BIN)/python -m benchmarks.engine $(if $(QUICK),--quick)
	$(if $(QUICK),,$(BIN)/python -m benchmarks.partitions)

constraints: setup ## write constraints.txt from the installed versions
	$(PIP) freeze --exclude-editable --exclude gnomon | grep -E '^[A-Za-z0-9._-]+==' > constraints.txt

clean: ## remove .venv, caches and builds; data and keys in .gnomon stay
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find workers tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Two stamp files: the demo does not need the development tools, and a second run installs nothing.
$(VENV)/.runtime: pyproject.toml constraints.txt hatch_build.py $(wildcard workers/gnomon/*/*/*.p[xy][dx])
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "gnomon needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "==> Making $(VENV) and installing gnomon: a few minutes, once"
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade 'pip>=25.1'
	$(PIP) install -c constraints.txt -e '.[all]'
	@touch $@

$(VENV)/.setup: $(VENV)/.runtime
	@echo "==> Installing the tools to develop with"
	$(PIP) install -c constraints.txt --group dev
	@touch $@
