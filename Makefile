# Five verbs. Each creates .venv when it is missing; nothing but Python >= 3.11 and make is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN ?= $(shell ls -d out/runs/*/ 2>/dev/null | tail -n 1)

.PHONY: setup check test bench report

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "chatbench needs Python 3.11 or newer and $(PYTHON) is $$($(PYTHON) --version 2>&1); name another one: make PYTHON=python3.12" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/house --quiet

# Three files at once: most tests wait for real servers and real runs, and a file keeps the order of its own.
test: setup
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile

bench: setup
	$(BIN)/chatbench run

report: setup
	@test -n "$(RUN)" || { echo "no run folder under out/runs; make one with: make bench" >&2; exit 2; }
	$(BIN)/chatbench report $(RUN)
