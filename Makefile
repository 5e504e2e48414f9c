# Two words a newcomer needs: `make demo` and `make test`. Everything is set up on first use (scripts/bootstrap).
# A Python of your choice: make clean; make PYTHON=/usr/bin/python3.12 demo

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?=
ARGS ?=
BIN := .venv/bin
READY := .venv/.ready
UV = $(or $(wildcard .tools/bin/uv),uv)

# Habits of whoever types this must not change a result. Tests take out the rest (tests/support/surroundings.py); these
# act before they could.
HABITS := $(sort $(filter PYTHON% PYTEST_% QUORATE_% MYPY% RUFF_% HYPOTHESIS_% LC_% LANG LANGUAGE \
	COLUMNS LINES NO_COLOR FORCE_COLOR CDPATH BASH_ENV ENV,$(filter-out PYTHON,$(.VARIABLES))))
PLAINLY := env $(HABITS:%=-u %) LC_ALL=C.UTF-8

.PHONY: help demo test lint format docs wheel bench bench-simulator swarm venv clean

help:
	@echo 'make demo    a publisher, a KMS host and a fleet that activates, until Ctrl-C (ARGS="--clients 40")'
	@echo 'make test    ruff, mypy --strict and every test; installs what is missing'
	@echo
	@echo 'The rest:'
	@echo 'make venv    .venv alone, .venv/bin/quorate included'
	@echo 'make lint    ruff and mypy alone'
	@echo 'make format  let ruff rewrite what it can'
	@echo 'make wheel   what to install elsewhere, in dist/'
	@echo 'make docs    write the generated pages of docs/reference again'
	@echo 'make bench   the benchmark table (ARGS=--json for scripts)'
	@echo 'make bench-simulator   what a simulated year costs (ARGS=--quick)'
	@echo 'make swarm   random fleets with random faults, for five minutes (SECONDS=3600)'
	@echo 'make clean   remove .venv and all caches'

demo: $(READY)
	@$(BIN)/quorate demo $(ARGS)

# Files are spread over two processes; a file stays in one, so fixtures of a file are made once.
test: lint
	@$(PLAINLY) scripts/bootstrap tests
	$(PLAINLY) $(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: $(READY)
	$(PLAINLY) $(BIN)/ruff check .
	$(PLAINLY) $(BIN)/ruff format --check .
	$(PLAINLY) $(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)
	$(BIN)/python -m scripts.docs

wheel: $(READY)
	@UV_PYTHON_DOWNLOADS=never $(UV) build --quiet --wheel --python $(BIN)/python --out-dir dist
	@ls -t dist/quorate_activation-*.whl | head -n 1

bench: $(READY)
	@$(BIN)/python -m benchmarks $(ARGS)

bench-simulator: $(READY)
	@$(BIN)/python -m benchmarks.simulator $(ARGS)

swarm: $(READY)
	@$(BIN)/quorate simulate --swarm $(or $(SECONDS),300) $(ARGS)

venv: $(READY)

# The stamp makes a second `make` cost nothing; a changed lock file sets up again.
$(READY): pyproject.toml uv.lock scripts/bootstrap
	@$(PLAINLY) PYTHON='$(PYTHON)' scripts/bootstrap venv
	@touch $@

clean:
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
