# Needs only Python 3.11 or newer with venv. uv comes into .tools, everything else into .venv, as uv.lock says.

PYTHON ?= python3
UV_VERSION := >=0.13,<0.14
UV := .tools/bin/uv
RUN := $(UV) run --frozen --no-sync
ARGS ?=
export UV_CACHE_DIR ?= $(HOME)/.cache/uv

# `make bench zapi` is `make bench ARGS=zapi`.
ifeq (bench,$(firstword $(MAKECMDGOALS)))
ROWS := $(filter-out bench,$(MAKECMDGOALS))
ARGS += $(ROWS)
$(ROWS): ; @:
endif

.DEFAULT_GOAL := help
.PHONY: help run demo test bench chaos lint format types boundaries check openapi clean

help: ## Show what there is
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/.ready ## Start everything here: database, API, workers, sandbox, an example company
	$(RUN) recado serve --example $(ARGS)

demo: .venv/.ready ## Watch one message go round: sent, acknowledged, answered, delivered
	$(RUN) recado demo $(ARGS)

test: .venv/.ready ## Run every test (ARGS="-k lanes -x" goes to pytest)
	$(RUN) pytest -n auto $(ARGS)

bench: .venv/.ready ## Run the benchmarks, print a table, write bench/results.json (ARGS=accept for one)
	$(RUN) python -m bench $(ARGS)

chaos: .venv/.ready ## Kill, cut and break things under load; nothing may be lost
	$(RUN) python -m chaos $(ARGS)

lint: .venv/.ready ## Style: ruff's rules and its format
	$(RUN) ruff check .
	$(RUN) ruff format --check .

format: .venv/.ready ## Put the code in ruff's format
	$(RUN) ruff check --fix-only .
	$(RUN) ruff format .

types: .venv/.ready ## Types: mypy, strict
	$(RUN) mypy

boundaries: .venv/.ready ## Imports go down only
	$(RUN) lint-imports

check: lint types boundaries test ## All that CI runs

openapi: .venv/.ready ## Print the API's OpenAPI document
	@$(RUN) recado openapi

clean: ## Remove what make installed here; data/ stays
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Recado needs Python 3.11 or newer; name it: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check 'uv$(UV_VERSION)'

.venv/.ready: $(UV) pyproject.toml uv.lock
	$(UV) sync --frozen --python $$($(PYTHON) -c 'import sys; print(sys.executable)')
	@touch $@
