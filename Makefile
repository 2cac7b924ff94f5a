# Cimiento's few commands. `make serve` is all that a newcomer needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH_VERSION := 2.13.0
LOCK := requirements/runtime.txt
EXTRAS := ocr rerank otel s3 scale
# 0.6 GB that few need: tests of it have an environment of their own
DEV_EXTRAS := $(filter-out scale,$(EXTRAS))
SCALE_VENV := .venv-scale
DEV_LOCK := requirements/dev.txt
NODE_LOCK := requirements/node.txt
WEB := app/web
WEB_SOURCES := $(shell find $(WEB) \( -name node_modules -o -name dist \) -prune -o \
	-type f -not -name '*.test.*' -not -name openapi.json -not -name schema.d.ts -print)
# A Node that was installed into .venv comes first; where the system's is good there is none.
WITH_NODE := PATH="$(abspath $(BIN)):$$PATH"

# What one process has compiled the next one reads: the tests start many.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help serve setup web web-types check check-types check-python check-web check-advisories test test-postgres test-scale test-unit test-e2e pictures lock clean

help: ## Show the commands
	@grep -hE '^[a-z][a-z0-9-]*:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

serve: setup ## Start Cimiento; installs and pulls on the first run
	@$(BIN)/cimiento serve

# `make serve OCR=1` installs what reads pictures and scanned pages too: 290 MB, once. RERANK=1
# installs what a cross-encoder from a folder needs, OTEL=1 what sends traces, S3=1 what speaks to S3,
# SCALE=1 Ray.
WANTED := $(if $(OCR),ocr) $(if $(RERANK),rerank) $(if $(OTEL),otel) $(if $(S3),s3) $(if $(SCALE),scale)
setup: $(VENV)/.installed web $(WANTED:%=$(VENV)/.installed-%) ## Make .venv, install pinned dependencies, build the web application, pull the model files
	@$(BIN)/cimiento models pull

# torch first, alone and pinned: the machine's own index supplies the right build. Everything else,
# what torch itself needs included, comes from the lock, by hash.
$(VENV)/.torch:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 13) else f"Cimiento needs Python 3.11 or 3.12, this is {sys.version.split()[0]}; try: make PYTHON=python3.11 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps torch==$(TORCH_VERSION)
	@touch $@

$(VENV)/.installed: $(VENV)/.torch $(LOCK) pyproject.toml
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r $(LOCK)
	@# An index that supplies the GPU build needs the libraries that this build names.
	@$(BIN)/python -c 'import torch' 2>/dev/null || { \
		echo "this index supplies the GPU build of torch: installing its libraries too (several GB)"; \
		$(BIN)/python -m pip install torch==$(TORCH_VERSION); }
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(EXTRAS:%=$(VENV)/.installed-%): $(VENV)/.installed-%: $(VENV)/.installed requirements/%.txt
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/$*.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed $(DEV_LOCK)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r $(DEV_LOCK)
	$(BIN)/python -m pip check
	@touch $@

# The system's Node where it is new enough, else one from the package index.
$(VENV)/.node: $(VENV)/.torch $(NODE_LOCK)
	@node $(WEB)/scripts/node-version.mjs 2>/dev/null && npm --version >/dev/null 2>&1 \
		|| $(BIN)/python -m pip install --quiet --no-deps --require-hashes -r $(NODE_LOCK)
	@touch $@

$(WEB)/node_modules/.installed: $(VENV)/.node $(WEB)/package.json $(WEB)/package-lock.json $(WEB)/.npmrc
	cd $(WEB) && $(WITH_NODE) npm ci --no-progress --loglevel=error
	@touch $@

$(WEB)/dist/index.html: $(WEB)/node_modules/.installed $(WEB_SOURCES)
	cd $(WEB) && $(WITH_NODE) npm run --silent build

web: $(WEB)/dist/index.html ## Build the web application, where its sources changed

web-types: $(VENV)/.installed $(WEB)/node_modules/.installed ## Make its types anew from the service's OpenAPI
	@$(BIN)/python -m app.contract > $(WEB)/openapi.json
	@cd $(WEB) && $(WITH_NODE) npm run --silent types

check: check-types check-python check-web check-advisories ## Lint, types, import contracts, house rules, the budget of the web application, known vulnerabilities

check-types: $(VENV)/.installed-dev
	$(BIN)/mypy

# after the web application, for it looks at every file that there is
check-python: $(VENV)/.installed-dev web
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict .
	$(BIN)/pytest tests/test_house_rules.py

# torch is in no lock. Without a network it says so, and goes on.
check-advisories: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.advisories torch==$(TORCH_VERSION)

check-web: web web-types
	cd $(WEB) && $(WITH_NODE) npm run --silent check && $(WITH_NODE) npm run --silent budget

# Two processes that compute with one thread each: two cores have no more to give. A file's tests
# stay together, for what they share is slow to start.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile

# What differs most between the databases: the schema, locks, deletions, the index.
SOME_ON_POSTGRESQL := tests/unit/test_migrations.py tests/unit/test_version_skew.py tests/unit/core/test_verify.py tests/unit/core/test_generation.py \
	tests/unit/ingestion/test_deletion.py tests/unit/ingestion/test_versions.py

test: $(VENV)/.installed-dev web ## Every test but the house rules; pulls the model files that some need
	@$(BIN)/cimiento models pull
	cd $(WEB) && $(WITH_NODE) npm run --silent test
	$(PYTEST) tests/unit
	$(PYTEST) tests/integration tests/e2e tests/gpu
	TEST_DATABASE=postgresql $(PYTEST) $(SOME_ON_POSTGRESQL)

# Whatever touches the truth; on one machine with two free cores some minutes.
POSTGRESQL_TESTS := tests/unit/test_migrations.py tests/unit/test_version_skew.py tests/unit/app tests/unit/core tests/unit/ingestion tests/unit/retrieval \
	tests/integration/app tests/integration/ingestion

test-postgres: $(VENV)/.installed-dev web ## The tests that touch the database, on PostgreSQL; a server comes with the tests
	@$(BIN)/cimiento models pull
	TEST_DATABASE=postgresql $(PYTEST) $(POSTGRESQL_TESTS)

# Over .venv, so that what both need is there once.
$(SCALE_VENV)/.installed: $(VENV)/.installed-dev requirements/scale.txt
	$(PYTHON) -m venv $(SCALE_VENV)
	@$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
		> $$($(SCALE_VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/base.pth
	$(SCALE_VENV)/bin/python -m pip install --quiet --no-deps --require-hashes -r requirements/scale.txt
	@touch $@

test-scale: $(SCALE_VENV)/.installed ## The tests of fleets, on Ray clusters of this machine; as root also on two nodes that a network parts
	@$(BIN)/cimiento models pull
	$(SCALE_VENV)/bin/python -m pytest tests/scale -rs

test-unit: $(VENV)/.installed-dev web ## The fast tests: no weights, no network
	cd $(WEB) && $(WITH_NODE) npm run --silent test
	$(BIN)/pytest tests/unit tests/test_house_rules.py

test-e2e: $(VENV)/.installed-dev web ## The whole service over real weights
	@$(BIN)/cimiento models pull
	$(BIN)/pytest tests/e2e

pictures: $(VENV)/.installed-dev web ## Make the pictures of README and docs anew, from what the browser tests see
	@$(BIN)/cimiento models pull
	$(BIN)/pytest tests/e2e/test_web_pages.py tests/e2e/test_web_rooms.py -k "barrier or narrow or language"
	$(BIN)/python -m tests.e2e.pictures

lock: ## Resolve the dependencies again (needs uv)
	uv pip compile pyproject.toml --python-version 3.11 --generate-hashes --no-emit-package torch \
		--no-header --quiet --output-file $(LOCK)
	for extra in $(EXTRAS); do \
		uv pip compile pyproject.toml --extra $$extra --constraint $(LOCK) --python-version 3.11 \
			--generate-hashes --no-emit-package torch --no-header --quiet \
			--output-file requirements/$$extra.txt || exit 1; \
	done
	uv pip compile pyproject.toml --extra dev $(DEV_EXTRAS:%=--extra %) $(DEV_EXTRAS:%=--constraint requirements/%.txt) \
		--python-version 3.11 --generate-hashes --no-emit-package torch --no-header --quiet --output-file $(DEV_LOCK)
	uv pip compile --group node --python-version 3.11 --generate-hashes --no-header --quiet \
		--output-file $(NODE_LOCK)

clean: ## Remove what was built; documents and models stay
	rm -rf $(VENV) $(SCALE_VENV) build dist $(WEB)/dist $(WEB)/node_modules *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
