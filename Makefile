# Larder in two commands: `make run` and `make test`. Both install what they need into .venv, from the locked
# requirements, and do their whole job.
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null || echo $(BIN)/uv)
export UV_COMPILE_BYTECODE := 1
export UV_NO_CONFIG := 1
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
FIRST_DAYS := 2017-01-08
PORT ?= 8000
.PHONY: help start setup setup-dev setup-spark run site dagster test nightly lint lint-sql lint-rest v2 demo stop clean lock

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

run: setup ## Start the demo retailer, load its year, build, test, publish, write the site
	@$(BIN)/larder demo start
	@$(BIN)/larder run

site: setup ## Write the pages of what is published and serve them on this machine, until Ctrl-C
	@$(BIN)/larder site
	@echo "http://127.0.0.1:$(PORT)/, until Ctrl-C"
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory "$${LARDER_DATA:-data}/site" 2>/dev/null \
		|| { echo "Port $(PORT) is taken, or the site cannot be read: make site PORT=8001"; exit 1; }

dagster: setup .venv-dagster/.installed ## Start Dagster with its schedule on this machine, until Ctrl-C (docs/automation.md)
	@.venv-dagster/bin/python -m orchestration

start: setup ## Begin to contribute: install, load the demo's first two weeks, build and publish them
	@$(BIN)/larder demo start --to $(FIRST_DAYS)
	@$(BIN)/larder ingest
	@$(BIN)/larder build
	@$(BIN)/larder publish
	@echo "Edit a mart, for instance models/marts/sales/agg_sales_weekly_store.sql. Then: .venv/bin/larder dev --diff"

test: setup-dev ## Run the tests
	@$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

nightly: setup-dev setup-spark ## Run the tests that take minutes: every crash point, readers during builds
	@$(BIN)/pytest -m nightly

# Half of the time is that of sqlfluff, most of the rest uses one processor: `make -j2 lint` does both at once.
lint: lint-sql lint-rest ## Run ruff, mypy and all other pre-commit checks on all files
lint-sql: setup-dev
	@$(BIN)/pre-commit run --all-files sqlfluff
lint-rest: setup-dev
	@SKIP=sqlfluff $(BIN)/pre-commit run --all-files

v2: setup ## Say what stands in the way of dbt's v2 engine
	@.ci/dbt-v2

setup: .venv/.run ## Install what `make run` needs into .venv
setup-dev: .venv/.dev ## Install what contributors need as well

demo: setup ## Start the demo retailer
	@$(BIN)/larder demo start

stop: setup ## Stop the demo retailer
	@$(BIN)/larder demo stop

clean: ## Stop the demo and remove everything that a run wrote
	@if [ -x $(BIN)/larder ]; then $(BIN)/larder demo stop; fi
	rm -rf data target logs

lock: .venv/.run ## Lock the requirements files again from pyproject.toml
	$(UV) pip compile pyproject.toml --all-extras $(LOCK) -o requirements/dev.txt
	$(UV) pip compile pyproject.toml --extra demo -c requirements/dev.txt $(LOCK) -o requirements/run.txt
	$(UV) pip compile requirements/spark.in $(LOCK) --no-emit-package numpy -o requirements/spark.txt
	$(UV) pip compile orchestration/requirements.in $(LOCK) -o orchestration/requirements.txt
LOCK := --override requirements/overrides.txt --universal --generate-hashes --python-version 3.11 --no-header --no-annotate --quiet

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit("Larder needs Python 3.11 or newer, this is %d.%d: make PYTHON=python3.11 run" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv .venv
	@command -v uv >/dev/null 2>&1 || $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

.venv/.run: .venv/.python requirements/run.txt pyproject.toml
	@echo "… install"
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements/run.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: .venv/.run requirements/dev.txt
	@echo "… install the tools for contributors"
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements/dev.txt
	@touch $@

setup-spark: .venv-spark/.installed ## Install Spark, with Java and Iceberg, into an environment of its own (docs/spark.md)

.venv-spark/.installed: .venv/.run requirements/spark.txt
	@$(PYTHON) -m venv .venv-spark
	@$(UV) pip install --quiet --python .venv-spark/bin/python --no-deps --require-hashes -r requirements/spark.txt
	@touch $@

# Dagster asks for other versions of what Larder uses, and of much that it does not: it has an environment of its own.
.venv-dagster/.installed: .venv/.run orchestration/requirements.txt
	@echo "… install Dagster"
	@$(PYTHON) -m venv .venv-dagster
	@$(UV) pip install --quiet --python .venv-dagster/bin/python --no-deps --require-hashes -r orchestration/requirements.txt
	@touch $@
