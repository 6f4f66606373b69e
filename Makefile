# The front door: `make` lists what one can do here.
PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= 2
SERVICES := $(BIN)/python -m tools.services
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist worksteal
# Half of the suite's time, and three times as long when traced: they come to lines that shorter tests come to as well.
LONG := tests/simulation/test_seeds.py tests/simulation/test_single_faults.py tests/simulation/test_mutants.py tests/chaos/test_chaos.py

.DEFAULT_GOAL := help
.PHONY: help demo test check serve services services-stop bench format lint lock clean chaos races mutants environment environment-test

help: ## List what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: environment ## Issue a card over the air to a virtual phone and put money on it
	@$(BIN)/ota-sandbox demo $(ARGS)

serve: environment ## Run the platform on this machine, with sandbox keys, data in ./ota-data
	@$(BIN)/ota serve $(ARGS)

test: environment-test ## Run all tests, with PostgreSQL, Valkey and SoftHSM2 of their own (ARGS='-k purse')
	@$(SERVICES) run -- $(PYTEST) $(ARGS)

check: environment-test lint ## Everything a change must pass: format, lint, types, contracts, tests, coverage, config
	@$(SERVICES) run -- $(PYTEST) $(LONG) $(ARGS)
	@$(SERVICES) run -- $(PYTEST) --cov --cov-report= $(addprefix --ignore=,$(LONG)) $(ARGS)
	@$(BIN)/coverage json --quiet -o coverage.json
	@$(BIN)/python -m tools.coverage_gate coverage.json
	@$(BIN)/ota check-config

lint: environment-test
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted: run make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: environment-test ## Format the code and mend what the linter can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: environment-test ## Measure: ratios against a baseline within one run (ARGS='--json')
	@$(SERVICES) run -- $(BIN)/python -m benchmarks $(ARGS)

chaos: environment-test ## Kill the platform's processes under load and look for every fen (ARGS='--kills 40 --topups 160 --seed 7')
	@$(BIN)/python -m chaos $(ARGS)

races: environment-test ## Fifty threads on one order, card, key and refund, a hundred rounds each, no wait beyond 2 s
	@OTA_TEST_RACE_ROUNDS=100 OTA_TEST_RACE_WAIT_S=2 $(SERVICES) run -- $(BIN)/pytest -n 0 tests/races $(ARGS)

mutants: environment-test ## Change ledger, states and the decision rule a little, again and again: tests must notice 85 %
	@nice $(SERVICES) run -- $(BIN)/python -m tools.mutants $(ARGS)

services: environment-test ## Start PostgreSQL and Valkey for development and print their addresses
	@$(SERVICES) start

services-stop: ## Stop them
	@$(SERVICES) stop

lock: environment-test ## Resolve requirements/*.in into the hashed locks (UPGRADE=1 for the newest versions)
	@$(BIN)/python -m tools.lock $(if $(UPGRADE),--upgrade)

clean: ## Remove what make made: environment, services, caches (not ./ota-data)
	@if [ -x $(BIN)/python ]; then $(SERVICES) stop --all; fi
	@rm -rf .venv .services .coverage .coverage.* coverage.json build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@$(PYTHON) tools/environment.py runtime

environment-test:
	@$(PYTHON) tools/environment.py test
