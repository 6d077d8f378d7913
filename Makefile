# What people do with this tree. Everything is installed into .venv from the package index, within constraints.txt;
# needed is only Python 3.11 or newer with its venv module. `make PYTHON=/path/to/python demo` chooses another one.
# To start over: rm -rf .venv

SUITABLE = import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
CANDIDATES = python3 python3.13 python3.12 python3.11
PYTHON ?= $(shell for one in $(CANDIDATES); do "$$one" -c "$(SUITABLE)" 2>/dev/null && echo $$one && break; done)

VENV := .venv
BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Real-time tests mostly wait: three processes share two cores well. WORKERS=0 runs all in one.
WORKERS ?= 3

.PHONY: help demo test bench lint docs soak clean
.DELETE_ON_ERROR:

help:
	@echo "make demo           fly a simulated scan and serve its frames (ARGS=--once leaves when it is done)"
	@echo "make test           run the tests (ARGS=... goes to pytest)"
	@echo "make lint           ruff, basedpyright, import-linter, the rules of the house"
	@echo "make bench          Wingbeat beside its peers (benchmarks/README.md)"
	@echo "make docs           the documentation as a site in build/docs"
	@echo "make soak           long campaigns with random seeds (ARGS=\"--list\", ARGS=\"--only flight --seed N\")"
	@echo "make clean          remove what builds and tests left, but .venv"

demo: $(VENV)/.with-all
	$(BIN)/wingbeat demo $(ARGS)

test: $(VENV)/.with-test
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

bench: $(VENV)/.with-bench
	$(BIN)/python -m benchmarks all $(ARGS)

lint: $(VENV)/.with-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/test_architecture.py

docs: $(VENV)/.with-docs
	$(BIN)/mkdocs build --strict --quiet
	@echo "build/docs/index.html"

soak: $(VENV)/.with-test
	$(BIN)/python -m tests.soak $(ARGS)

clean:
	rm -rf build dist *.egg-info .benchmarks .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +

# One stamp per extra: installed again only when the project's dependencies change.
$(VENV)/.with-all $(VENV)/.with-test $(VENV)/.with-dev $(VENV)/.with-docs: $(VENV)/.with-%: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing [$*] into $(VENV): some minutes the first time"
	$(INSTALL) -e '.[$*]'
	@touch $@

# A row measures against its peers, and the face to print with is in [all].
$(VENV)/.with-bench: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e '.[all,bench]'
	@touch $@

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer with the venv module found among: $(CANDIDATES)." \
	  "Install one (Debian: apt-get install python3-venv), or name one: make PYTHON=/path/to/python demo" >&2; exit 1; }
	@"$(PYTHON)" -c "$(SUITABLE)" || { echo "$(PYTHON) will not do: expected Python 3.11 or newer with the venv module, seen" \
	  "$$("$(PYTHON)" --version 2>&1). Name another one: make PYTHON=/path/to/python demo" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
