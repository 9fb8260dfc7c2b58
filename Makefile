# make run    everything set up, then the demo:  http://127.0.0.1:8000/support
# make test   everything that tests need, then all tests; `make test-quick` the quick ones alone
# make setup  the part both share; puts the command at .venv/bin/support-service
#
# Needed: python3 (3.11 or newer) with venv, make, node and npm. Everything else is set up here.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup run test test-quick test-wordpress test-setup system lint bandit mutants bench lighthouse bench-catch-up bench-webhooks campaign campaign-worlds campaign-stripe campaign-mono campaign-machines flood siege shots rehearse conformance-tron conformance-bitcoin conformance-stripe conformance-mono clean

VENV := .venv
PY := $(VENV)/bin/python
STAMPS := $(VENV)/stamps
# Versions and hashes come from the lock files alone; settings of this machine's pip stay in force.
PIP := $(PY) -m pip --disable-pip-version-check -qq

help:
	@sed -n '1,5s/^# *//p' Makefile

setup: $(STAMPS)/run $(STAMPS)/node $(STAMPS)/self
	@:

run: setup
	@$(VENV)/bin/support-service demo $(ARGS)

# Whole files to each process, and one process more than two cores have: much of a test's time is waiting for the
# nodes and browsers it started.
# Drawn tests draw the same each time here; pytest by hand, and the campaign, draw anew.
PROCESSES := --numprocesses 5 --dist loadfile --no-loadscope-reorder --hypothesis-seed 0

test: test-setup
	@sh tests/tools/in_memory.sh $(PY) -m pytest $(or $(ARGS),$(PROCESSES))

# The daily loop, about a minute: no node, no browser, no PostgreSQL, and no file that takes long.
test-quick: test-setup
	@sh tests/tools/in_memory.sh $(PY) -m pytest $(PROCESSES) -m "not (node or browser or postgres or long)"

# In Debian's own WordPress, on MariaDB and PHP's server: installed where they are missing, started and stopped here.
test-wordpress: test-setup
	@sh tests/tools/wordpress.sh
	@$(PY) -m pytest -p no:cacheprovider -m wordpress tests/journeys/test_wordpress.py $(ARGS)

test-setup: setup $(STAMPS)/test system
	@:

system:
	@sh tests/tools/system.sh

lint: test-setup
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

# Changes money, giving, accept and search a little, thousands of times; a test must fail each time. Goes on where it
# was stopped. ARGS="--only money".
mutants: test-setup $(STAMPS)/mutants
	@$(PY) -m tests.load.mutants $(ARGS)

# What bandit finds in the product, each with our reason.
bandit: test-setup
	@$(PY) -m tests.bandit

bench: test-setup
	@$(PY) -m tests.bench.page $(ARGS)

# Google's Lighthouse on three pages, phone and desktop. ARGS="--readme" writes the scores into README.md.
lighthouse: test-setup $(STAMPS)/lighthouse
	@$(PY) -m tests.bench.lighthouse $(ARGS)

# Catching up with each of the three chains, beside a plain scan of its blocks. ARGS="--blocks 5000" for more.
bench-catch-up: test-setup
	@missed=0; for chain in catch_up catch_up_tron catch_up_bitcoin; do \
	  echo "== tests/bench/$$chain.py"; $(PY) -m tests.bench.$$chain $(ARGS) || missed=1; echo; done; exit $$missed

# Card events taken in for good, beside bare commits of the same database.
bench-webhooks: test-setup
	@$(PY) -m tests.bench.webhooks $(ARGS)

# Every harness at release size, for hours; may be stopped and goes on where it was; one report. ARGS="--only C6".
campaign: test-setup $(STAMPS)/mutants
	@$(PY) -m tests.campaign $(ARGS)

# 500 random worlds. ARGS="--seed N" replays one.
campaign-worlds: test-setup
	@$(PY) -m tests.worlds $(ARGS)

# 20,000 deliveries of 5,000 card gifts to the running server, killed meanwhile. ARGS="--database postgresql".
campaign-stripe: test-setup
	@$(PY) -m tests.load.webhooks $(ARGS)

# Three watchers on one PostgreSQL, leases of their real length: killed, stopped, clocks that jump. ARGS="--rounds 100".
campaign-machines: test-setup
	@$(PY) -m tests.load.machines $(ARGS)

# Card gifts through plata by mono, as campaign-stripe.
campaign-mono: test-setup
	@$(PY) -m tests.load.webhooks --processor mono $(ARGS)

# 10,000 card testers from 50 loopback addresses at the running server, and readers among them.
flood: test-setup
	@$(PY) -m tests.load.flood $(ARGS)

# The running web part under attack, and readers who must be answered meanwhile. ARGS="--connections 1000 --readme".
siege: test-setup
	@$(PY) -m tests.load.siege $(ARGS)

shots: test-setup
	@$(PY) -m tests.bench.shots

# NETWORK: a network of the settings. RPC: your own node. CONFIG, BLOCKS: optional. Reads, never writes.
rehearse: setup
	@$(PY) -m support_service.commands.rehearse --network "$(NETWORK)" --rpc "$(RPC)" \
	  $(if $(CONFIG),--config "$(CONFIG)") $(if $(BLOCKS),--blocks "$(BLOCKS)")

# RPC: your own TRON node's Ethereum-like interface. SOLID, NATIVE: its other ports. Reads, never writes.
conformance-tron: setup
	@$(PY) -m support_service.conformance.tron --rpc "$(RPC)" \
	  $(if $(SOLID),--solid "$(SOLID)") $(if $(NATIVE),--native "$(NATIVE)") $(ARGS)

# RPC: your own Bitcoin Core, such as http://USER:PASSWORD@127.0.0.1:8332. ESPLORA: your own server. One or both;
# CHAIN: if not main. Reads, never writes.
conformance-bitcoin: setup
	@$(PY) -m support_service.conformance.bitcoin $(if $(RPC),--rpc "$(RPC)") \
	  $(if $(ESPLORA),--esplora "$(ESPLORA)") $(if $(CHAIN),--chain "$(CHAIN)") $(ARGS)

# KEY: sk_test_... of your own Stripe account. Makes sessions and payments there, in test mode alone.
conformance-stripe: setup $(STAMPS)/test
	@$(PY) -m tests.conformance.stripe_account --key "$(KEY)" $(ARGS)

# TOKEN: a token for trying out, from mono's API page. Opens pages there that nobody pays, and closes them.
conformance-mono: setup $(STAMPS)/test
	@$(PY) -m tests.conformance.mono_merchant --token "$(TOKEN)" $(ARGS)

clean:
	rm -rf $(VENV)

# One line that names everything missing. A stamp is newer than what it was made from, so a second
# `make run` starts at once.
$(STAMPS)/venv:
	@sh tests/tools/needed.sh
	@echo "Setting up .venv ..."
	@"$$(sh tests/tools/needed.sh --python)" -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/run: config/lock/run.txt $(STAMPS)/venv
	@echo "Installing what the service needs ..."
	@$(PIP) install --no-deps --require-hashes -r config/lock/run.txt
	@touch $@

# Nothing of it is the service's, so that `make -j` installs both at once.
$(STAMPS)/test: config/lock/test.txt config/lock/run.txt $(STAMPS)/venv
	@echo "Installing what the tests need ..."
	@$(PY) tests/tools/beyond_run.py config/lock/run.txt config/lock/test.txt >$(STAMPS)/test.txt
	@$(PIP) install --no-deps --require-hashes -r $(STAMPS)/test.txt
	@touch $@

$(STAMPS)/mutants: config/lock/mutants.txt $(STAMPS)/run $(STAMPS)/test
	@$(PIP) install --require-hashes -r config/lock/mutants.txt
	@touch $@

$(STAMPS)/self: pyproject.toml $(STAMPS)/run
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(STAMPS)/lighthouse: tests/tools/lighthouse/package.json tests/tools/lighthouse/package-lock.json $(STAMPS)/venv
	@echo "Installing Lighthouse ..."
	@mkdir -p $(VENV)/lighthouse && cp tests/tools/lighthouse/package.json tests/tools/lighthouse/package-lock.json $(VENV)/lighthouse/
	@cd $(VENV)/lighthouse && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(STAMPS)/node: tests/tools/package.json tests/tools/package-lock.json $(STAMPS)/venv
	@echo "Installing the local nodes (EVM, Bitcoin) ..."
	@mkdir -p $(VENV)/node && cp tests/tools/package.json tests/tools/package-lock.json $(VENV)/node/
	@cd $(VENV)/node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
