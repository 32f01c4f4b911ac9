##@ Develop
PYTEST_JOBS ?= 2
# Half of the slow tests wait, for leases to end and for processes: more of them than processors run side by side.
TEST_JOBS   ?= $(shell expr 2 \* $(PYTEST_JOBS))
PYTEST       = $(BIN)/python -m pytest
# `make test-browser` runs the others: they need Chromium, and must not be skipped where there is none.
NO_BROWSER   = -m "not browser"
# Tests start hundreds of processes: without cached bytecode each compiles the project anew.
check test test-speech test-browser quick-tests: export PYTHONDONTWRITEBYTECODE =

.PHONY: check lint format types quick-tests test test-speech test-browser chromium coverage coverage-summary

# The three at once, each one's output in one piece.
check: $(DEV) ## Lint, types and quick tests, in under a minute
	@$(MAKE) --jobs=3 --output-sync=recurse lint types quick-tests

lint: $(DEV) docs-check lint-workflows lint-scripts lint-dockerfile ## Check style, imports, workflows, scripts, Dockerfile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: $(DEV) ## Format, and fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(DEV) ## Check types with mypy
	$(BIN)/mypy

quick-tests: $(DEV)
	$(PYTEST) -q -n $(PYTEST_JOBS) -m "not slow and not speech and not browser"

test: $(SPEECH) ## Run all tests but those in a browser
	$(PYTEST) -n $(TEST_JOBS) --dist loadfile --no-loadscope-reorder $(NO_BROWSER) $(PYTEST_FLAGS)

test-speech: $(SPEECH) ## Run the tests that need the speech extra
	$(PYTEST) -q -m speech $(PYTEST_FLAGS)

test-browser: $(DEV) chromium ## Run the tests of the page in headless Chromium
	$(PYTEST) -q -m browser $(PYTEST_FLAGS) tests/browser

# Installed where that is possible without a question: as root on Debian, as in a container.
chromium: $(DEMO)
	@$(BIN)/python -m tools.chromium >/dev/null 2>&1 || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -qq -y chromium >&2; } || \
	  { echo "no Chromium or Chrome is installed: apt-get install chromium" >&2; exit 1; }

coverage: $(SPEECH) ## Run every test with coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(NO_BROWSER) $(PYTEST_FLAGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage xml -q
	$(BIN)/coverage report

coverage-summary: $(DEV)
	$(BIN)/coverage report --format=markdown >> "$${GITHUB_STEP_SUMMARY:-/dev/stdout}"
