# Needs GNU make, sh and Python 3.11 or newer. `make help` lists what there is.
#
#   make run                       see it work
#   make test                      see it proved
#   make fuzz SECONDS=600          longer, for each of the fuzz tests
#   make unit ARGS="-k drain -x"   ARGS goes to pytest
#   make unit WORKERS=0            in one process, for a debugger (WORKERS of them otherwise)
#   make test SYSTEM=no            never install system packages (as root on Debian, missing ones are installed)
#   make run PYTHON=/path/python   choose the interpreter that .venv is made from

SHELL  := /bin/sh
PYTHON ?=
ARGS   ?=
SYSTEM ?= yes
SECONDS ?= 60
# The tests wait more than they compute: one process more than there are cores, four at most.
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); [ $$n -le 3 ] || n=3; echo $$((n + 1)))

# They start the gateway a thousand times; without its bytecode each start would compile it anew.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
PY   := $(VENV)/bin/python
# A file's tests stay in one process: they share its gateways.
PYTEST = $(PY) -m pytest -n $(WORKERS) --dist loadfile
# The lock files are complete, so nothing is resolved; every file must have its recorded hash.
PIP_INSTALL := $(PY) -m pip install -qq --no-input --disable-pip-version-check --no-deps --require-hashes
# The header of a lock names this command, not the machine it ran on.
COMPILE := uv pip compile --quiet --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
	--custom-compile-command 'make lock' $(LOCK_FLAGS)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test lint format unit wire fuzz docs bench bench-short bench-check bench-record bench-costs lock audit clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

run: $(VENV)/run.stamp ## Start the demo upstream and the gateway in front of it, with curl lines to try
	@exec $(PY) -m gateway demo -c gateway.toml

test: $(VENV)/test.stamp foreign lint ## Everything: lint, types, all tests (a few minutes)
	$(PYTEST) -ra -m "not alone" $(ARGS)
	$(PY) -m pytest -ra -m alone $(ARGS)

lint: $(VENV)/test.stamp ## ruff and mypy
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format: $(VENV)/test.stamp ## Put the source in its form
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

unit: $(VENV)/test.stamp ## Only the fast tests: no server, nothing foreign
	$(PYTEST) -m "not wire and not foreign and not slow" $(ARGS)

wire: $(VENV)/test.stamp ## Only the tests with the real server
	$(PYTEST) -ra -m wire $(ARGS)

fuzz: $(VENV)/test.stamp ## Only the fuzz tests, each for SECONDS more (60), with other octets each time
	FUZZ_SECONDS=$(SECONDS) $(PY) -m pytest -ra --timeout=0 -k test_fuzz $(ARGS) tests/exchange tests/server tests/upstream tests/wire

docs: $(VENV)/test.stamp ## Write the generated pages anew
	$(PY) -m docs.generate

# What the committed figures of docs/performance.md are made from, and what later runs are compared with.
BENCH_RESULTS := docs/benchmarks/results.json
BENCH_MANY := docs/benchmarks/many-streams.json
# A target needs two open files for each: a limit of 20,000 allows so many.
HOLD ?= 9900
BENCH_ENV := build/bench-env
BENCH := $(PY) tests/bench/suite.py --environment $(BENCH_ENV)

bench: $(VENV)/test.stamp peers ## Measure the gateway beside the peers that can be had (15 minutes; SHORT=1: under 3)
	$(BENCH) $(if $(SHORT),--short) $(ARGS)

bench-short: ## The same in less than three minutes
	@$(MAKE) --no-print-directory bench SHORT=1

bench-check: $(VENV)/test.stamp ## Say how the last run compares with the committed one (it never fails)
	@$(PY) tests/bench/compare.py $(BENCH_RESULTS) build/bench.json

bench-record: $(VENV)/test.stamp peers ## Measure in full, and make the figures and the chart of docs/performance.md of it
	$(BENCH) --json $(BENCH_RESULTS) $(ARGS)
	$(BENCH) --json $(BENCH_MANY) --only hold --hold $(HOLD) --rounds 1
	$(PY) -m docs.generate

bench-costs: $(VENV)/test.stamp ## Measure what single parts cost: policies, compression, the store and so on
	$(PY) tests/bench/observing_cost.py
	$(PY) tests/bench/policy_cost.py
	$(PY) tests/bench/compression_cost.py
	$(PY) tests/bench/watching_cost.py
	$(PY) tests/bench/store_cost.py
	$(PY) tests/bench/metrics_cost.py
	$(PY) tests/bench/tracing_cost.py

# A peer that cannot be had is not an error: it is left out, and the tables say so.
.PHONY: peers
peers: $(PY)
	@SYSTEM=$(SYSTEM) sh tests/bench/provide.sh $(PY) $(BENCH_ENV)

lock: ## Work out the pins anew (needs uv); LOCK_FLAGS=--upgrade takes the newest
	@command -v uv >/dev/null || { echo "make lock needs uv: pip install uv" >&2; exit 1; }
	$(COMPILE) --all-extras pyproject.toml -o deploy/requirements.lock
	$(COMPILE) --group build -o deploy/build.lock
	$(COMPILE) pyproject.toml --group test -c deploy/requirements.lock -c deploy/build.lock -o tests/requirements.lock
	$(COMPILE) tests/bench/requirements.in -o tests/bench/requirements.lock

# Strict: a pin that the database could not be asked about is a failure, not a pin without known faults.
audit: ## Look all pins up among known vulnerabilities (needs uv and a network); AUDIT_FLAGS="-s osv" asks another database
	@command -v uv >/dev/null || { echo "make audit needs uv: pip install uv" >&2; exit 1; }
	@for lock in deploy/requirements.lock deploy/build.lock tests/requirements.lock tests/bench/requirements.lock; do \
	  echo "auditing $$lock"; \
	  uv tool run pip-audit --strict --disable-pip --require-hashes --progress-spinner off $(AUDIT_FLAGS) -r $$lock || { \
	    echo "make audit: $$lock has pins with known vulnerabilities, or they could not be looked up (see above)" >&2; \
	    exit 1; }; \
	done

clean: ## Remove everything that was made here
	rm -rf $(VENV) tests/foreign/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
	rm -f .coverage .coverage.*
	find gateway tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A foreign part that cannot be had is not an error: its tests skip and say why.
.PHONY: foreign
foreign:
	@SYSTEM=$(SYSTEM) sh tests/foreign/provide.sh

$(VENV)/run.stamp: deploy/requirements.lock $(PY)
	@echo "installing deploy/requirements.lock into $(VENV)"
	@$(PIP_INSTALL) -r deploy/requirements.lock
	@touch $@

$(VENV)/test.stamp: tests/requirements.lock $(PY)
	@echo "installing tests/requirements.lock into $(VENV)"
	@$(PIP_INSTALL) -r tests/requirements.lock
	@touch $@

# The first of these that is new enough and can make environments. It is tried, not only looked for: version managers
# put names on the path that do not run. The .pth file makes `python -m gateway` work from every directory.
$(PY):
	@for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
	  if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "making $(VENV) with $$("$$python" --version)"; \
	    "$$python" -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }; \
	    exec $(PY) -c 'import pathlib, sysconfig; \
	pathlib.Path(sysconfig.get_path("purelib"), "slowgate.pth").write_text("$(CURDIR)\n")'; \
	  fi; \
	done; \
	echo "No Python 3.11 or newer that can make environments was found (tried: $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11))." >&2; \
	echo "On Debian and Ubuntu: apt-get install python3-venv. Elsewhere: make PYTHON=/path/to/python3.11 ..." >&2; \
	exit 1
