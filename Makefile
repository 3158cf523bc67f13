# Two commands are enough: `make demo` and `make test`. Both set up .venv first, from a bare Python 3.11 to 3.14.
# Plain make (3.81 of macOS is enough) and sh.

PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
EXTRAS = dev
PYTEST = $(BIN)/python -m pytest
FAST = not slow and not browser and not chaos
START = notebooks/00_start_here.ipynb notebooks/10_data.ipynb
NBVAL = --nbval-lax --nbval-current-env --nbval-cell-timeout=300 -p no:xdist -W default
ARGS =

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help demo test test-full unit lint types format notebooks bench chaos fuzz mutants day stop-runs screenshots api-types lock venv clean distclean

help:
	@echo "make demo        set up, start everything on this machine, trade on paper; Ctrl-C ends it"
	@echo "make test        lint, types, the fast tests and the first notebook"
	@echo "make test-full   the slow, browser and chaos tests, and the other notebooks"
	@echo "make unit        the fast tests alone; ARGS='-k hours' passes on to pytest"
	@echo "make chaos N=…   that many seeded crash runs; goes on where it stopped (chaos.jsonl)"
	@echo "make fuzz        a million garbled frames and replies"
	@echo "make stop-runs   two hundred emergency stops under load (stop_runs.jsonl)"
	@echo "make mutants     switches every piece of the safety code off in turn (mutants.json)"
	@echo "make day         a virtual day of eight hours in accelerated time"
	@echo "make screenshots the README's pictures; FOLDER='dir [part …]' takes pages, reports, controls and notebooks,"
	@echo "                 dark and light, wide and phone"
	@echo "make api-types   writes the TypeScript types of the API anew"
	@echo "make lint types format notebooks bench lock venv clean distclean"

demo: $(STAMP)
	@if [ -n "$$CI" ]; then $(BIN)/workbench demo --headless --for 90 --seed 7 --json $(ARGS); \
	else $(BIN)/workbench demo $(ARGS); fi

test: lint types unit
	$(PYTEST) $(NBVAL) $(START)

unit: $(STAMP)
	$(PYTEST) -m "$(FAST)" -n 2 --dist loadfile --durations=10 $(ARGS)

test-full: $(STAMP)
	$(PYTEST) -m "slow or browser or chaos" --timeout=600 --durations=10 $(ARGS)
	$(PYTEST) $(NBVAL) $(filter-out $(START),$(wildcard notebooks/*.ipynb))

lint: $(STAMP)
	$(BIN)/ruff check workbench tests
	$(BIN)/ruff format --check workbench tests
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m tests.audit

types: $(STAMP)
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix workbench tests
	$(BIN)/ruff format workbench tests

notebooks: $(STAMP)
	$(PYTEST) $(NBVAL) $(wildcard notebooks/*.ipynb)

bench: $(STAMP)
	$(BIN)/python tests/benchmarks/run.py $(ARGS)

# Long runs; each goes on where it was stopped, and its last result belongs into the notes of a release.
N = 2000
chaos: $(STAMP)
	$(BIN)/python tests/chaos/long.py --runs $(N) --file chaos.jsonl $(ARGS)

fuzz: $(STAMP)
	$(BIN)/python tests/chaos/fuzz.py --inputs 1000000 $(ARGS)

stop-runs: $(STAMP)
	$(BIN)/python -m tests.benchmarks.bench_stop --runs 200 --file stop_runs.jsonl $(ARGS)

mutants: $(STAMP)
	$(BIN)/python -m tests.mutants.run --file mutants.json $(ARGS)

day: $(STAMP)
	$(BIN)/python -m tests.benchmarks.day $(ARGS)

# The TypeScript types of the API, written anew; a test fails while they are older than the routes.
screenshots: $(STAMP)
	$(BIN)/python -m tests.browser.screenshots $(FOLDER)

api-types: $(STAMP)
	$(BIN)/python -m workbench.api.type_writer

# The lock names versions only, no host: every machine resolves it at its own index.
lock: $(STAMP)
	@$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet uv
	$(BIN)/python -m uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
		--no-header --no-annotate --no-emit-index-url --quiet -o requirements.lock

venv: $(STAMP)

# Made once, and again when the pins change. uv is used when it is there or can be installed into .venv; else pip.
$(STAMP): pyproject.toml requirements.lock
	@set -e; \
	fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))'; \
	if ! $(BIN)/python -c "import pip; $$fits" >/dev/null 2>&1; then \
	  found=; \
	  for each in $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14 python; do \
	    if command -v $$each >/dev/null 2>&1 && $$each -c "$$fits" 2>/dev/null; then found=$$each; break; fi; \
	  done; \
	  if [ -z "$$found" ] && command -v uv >/dev/null 2>&1; then found=3.12; fi; \
	  if [ -z "$$found" ]; then \
	    echo "Workbench needs Python 3.11 to 3.14, and found none (python3 is $$($(PYTHON) --version 2>&1))."; \
	    echo "Install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; \
	  fi; \
	  echo "making $(VENV) with Python: $$found"; \
	  rm -rf $(VENV); \
	  if command -v uv >/dev/null 2>&1; then uv venv --quiet --seed --python $$found $(VENV); \
	  elif ! $$found -c 'import ensurepip, venv' >/dev/null 2>&1 || ! $$found -m venv $(VENV); then \
	    rm -rf $(VENV); \
	    echo "$$found cannot make a virtual environment. On Debian and Ubuntu: sudo apt-get install python3-venv"; \
	    exit 1; \
	  fi; \
	fi; \
	done=; \
	if command -v uv >/dev/null 2>&1; then \
	  uv pip install --compile-bytecode --python $(BIN)/python -c requirements.lock -e ".[$(EXTRAS)]" && done=yes; \
	elif $(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet uv 2>/dev/null; then \
	  $(BIN)/python -m uv pip install --compile-bytecode --python $(BIN)/python -c requirements.lock -e ".[$(EXTRAS)]" && done=yes; \
	fi; \
	if [ -z "$$done" ]; then \
	  echo "installing with pip, which takes some minutes"; \
	  $(BIN)/python -m pip install --quiet -c requirements.lock -e ".[$(EXTRAS)]"; \
	fi; \
	$(BIN)/python -m compileall -q workbench; \
	$(BIN)/python -m workbench.warm; \
	touch $(STAMP)

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis bench.json
	find workbench tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)
