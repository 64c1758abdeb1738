# What a developer and the CI runner type. `make test` is the whole suite, wire tests included.

VENV := .venv
PYTHON ?= python3
CARGO ?= cargo
# Named after the checksum of what it holds, so that a changed requirement is installed and a repeated
# `make venv` does nothing, whatever a checkout does to file times.
STAMP := $(VENV)/.installed-$(shell cksum < tests/requirements.txt | cut -d' ' -f1)

.PHONY: help venv test chaos lint footprint

help: ## Lists the targets.
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

venv: $(STAMP) ## Installs the AWS stand-ins of the wire tests into .venv.

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null \
	  || { echo "make venv: Python 3.10 or newer is needed (Debian: apt-get install python3 python3-venv)" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "make venv: Python's venv module is missing (Debian: apt-get install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/requirements.txt
	@touch $(STAMP)

test: venv ## Runs every test.
	$(CARGO) test --locked

# With the other tests there are 60 events and a minute and a half; this takes about five.
chaos: export CHAOS_EVENTS ?= 500
chaos: venv ## Runs three workers through 500 events of kills, stalls and faults on the wire.
	$(CARGO) test --locked --test chaos

lint: ## Checks formatting and lints, warnings being errors.
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings

footprint: venv ## Measures the release binary: size, idle memory, time to the first receive.
	$(CARGO) build --release --locked
	$(VENV)/bin/python benches/footprint.py
