# make run and make test are all a newcomer needs; `make help` lists the rest.
# Variables: ARGS for the program or pytest (make run ARGS="--port 0"), PYTHON for the interpreter.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test check check-format check-lint check-types check-imports check-schema check-tests
.PHONY: bench conformance format schema ui lock clean clean-data

ARGS ?=
PY := .venv/bin/python
UI := frontend_codegen
# Built output and installed packages apart, every file of the workspace decides whether it is built again.
UI_SOURCES := $(shell find $(UI) \( -name node_modules -o -name dist -o -name generated -o -name test-results \
	-o -name playwright-report -o -name e2e -o -name protocol -o -name python -o -name '.*' \) -prune -o -type f -print 2>/dev/null)
NODE_OK := $(shell node -e 'const [a, b] = process.versions.node.split("."); \
	if (+a > 20 || (+a == 20 && +b >= 19)) console.log("yes")' 2>/dev/null)
NO_NODE := Node 20.19 or newer is not there

# A copied or half-made environment is made again.
ifneq ($(shell $(PY) -c 'print(1)' 2>/dev/null),1)
$(shell rm -f .venv/ready-run .venv/ready-dev)
endif

help:
	@echo "make run        start everything on this machine and print where it is"
	@echo "make test       every test; protocol suites and browser tests too where Node is"
	@echo "make check      format, lint, types, imports, schema, layout, domain tests: under twenty seconds"
	@echo "make bench      measure against peers: BENCH=http|streams|executor|tracing|all SECONDS=n, into .fabula/bench.json"
	@echo "make format     put the code in its format"
	@echo "make schema     print graphql_schema.graphql anew"
	@echo "make ui         build the Studio, GraphiQL and the typed client"
	@echo "make conformance  other projects' test suites with the compiled executor in place of graphql-core's"
	@echo "make lock       resolve pyproject.toml into requirements*.txt"
	@echo "make clean      remove environments, builds and caches; clean-data removes .fabula too"

.venv/ready-run: requirements.txt .ci/venv
	@.ci/venv run

.venv/ready-dev: requirements-dev.txt .ci/venv
	@.ci/venv dev

run:
	@$(MAKE) -s --no-print-directory -j2 -k .venv/ready-run ui || { [ -e .venv/ready-run ] && \
		echo "The Studio could not be built (see above): the API runs without it."; }
	@exec $(PY) -m app up $(ARGS)

test: .venv/ready-dev
	$(PY) -m pytest $(ARGS)
ifeq ($(NODE_OK),yes)
	@$(MAKE) -s --no-print-directory ui
	cd $(UI) && npm run --silent check
	cd $(UI) && npm run --silent test:protocol
	cd $(UI) && npm run --silent test:e2e
else
	@echo "$(NO_NODE): the protocol suites and the browser tests were not run."
endif

check: .venv/ready-dev
	@$(MAKE) --no-print-directory --output-sync=target -j2 -k \
		check-types check-lint check-format check-imports check-schema check-tests
	@echo "check: all is well"

check-format:
	@$(PY) -m ruff format --check --quiet . || { echo "make format puts these right"; exit 1; }

check-lint:
	@$(PY) -m ruff check --quiet .

check-types:
	@$(PY) -m mypy

check-imports:
	@$(PY) -c 'from importlinter.cli import lint_imports_command as main; main()' --no-logo

check-schema:
	@$(PY) -m app schema --check

check-tests:
	@$(PY) -m pytest -q --no-header tests/domain tests/test_*.py

BENCH ?= all
SECONDS ?= 10
bench: .venv/ready-dev
ifneq ($(filter $(BENCH),http all),)
	$(PY) -m bench.http --seconds $(SECONDS) $(ARGS)
endif
ifneq ($(filter $(BENCH),streams all),)
	$(PY) -m bench.streams --seconds $(SECONDS) $(ARGS)
endif
ifneq ($(filter $(BENCH),executor all),)
	$(PY) -m bench.executor $(ARGS)
endif
ifneq ($(filter $(BENCH),tracing all),)
	$(PY) -m bench.tracing $(ARGS)
endif

format: .venv/ready-dev
	@$(PY) -m ruff format . && $(PY) -m ruff check --fix .

schema: .venv/ready-dev
	@$(PY) -m app schema > graphql_schema.graphql.new && mv graphql_schema.graphql.new graphql_schema.graphql

ifeq ($(NODE_OK),yes)
ui: $(UI)/node_modules/.built
else
ui:
	@echo "$(NO_NODE): the Studio is not built."
endif

$(UI)/node_modules/.installed: $(UI)/package-lock.json
	@echo "Installing the packages of $(UI) ..."
	@cd $(UI) && npm ci --no-audit --no-fund --no-update-notifier --loglevel=error
	@touch $@

$(UI)/node_modules/.built: $(UI)/node_modules/.installed $(UI_SOURCES) $(wildcard graphql_schema.graphql)
	@echo "Building the Studio, GraphiQL and the client ..."
	@cd $(UI) && npm run --silent build
	@touch $@

conformance: .venv/ready-dev
	@$(PY) -m tests.conformance $(ARGS)

lock:
	@uv=$$(.ci/venv uv) && for out in requirements.txt requirements-dev.txt; do \
		extra=; [ $$out = requirements.txt ] || extra="--extra dev"; \
		"$$uv" pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 \
			$$extra pyproject.toml -o $$out || exit 1; \
		echo "$$out"; \
	done

clean:
	rm -rf .venv .uv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .dmypy.json
	rm -rf $(UI)/python/.venv $(UI)/python/src/fabula_client/generated
	rm -rf $(UI)/node_modules $(UI)/*/node_modules $(UI)/*/dist $(UI)/test-results $(UI)/playwright-report
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Under root the servers' state may lie outside the tree, behind a link.
clean-data: clean
	for state in .fabula/*/state; do [ ! -L "$$state" ] || rm -rf "$$(readlink -f "$$state")"*; done
	rm -rf .fabula
