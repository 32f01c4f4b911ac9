##@ Develop
PYTEST_JOBS ?= 2
PYTEST       = $(BIN)/python -m pytest
# Tests start hundreds of processes: without cached bytecode each compiles the project anew.
check test test-speech quick-tests: export PYTHONDONTWRITEBYTECODE =

.PHONY: check lint format types quick-tests test test-speech coverage coverage-summary

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
	$(PYTEST) -q -n $(PYTEST_JOBS) -m "not slow and not speech"

test: $(SPEECH) ## Run every test, with real processes and engines
	$(PYTEST) -n $(PYTEST_JOBS) --dist loadfile $(PYTEST_FLAGS)

test-speech: $(SPEECH) ## Run the tests that need the speech extra
	$(PYTEST) -q -m speech $(PYTEST_FLAGS)

coverage: $(SPEECH) ## Run every test with coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(PYTEST_FLAGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage xml -q
	$(BIN)/coverage report

coverage-summary: $(DEV)
	$(BIN)/coverage report --format=markdown >> "$${GITHUB_STEP_SUMMARY:-/dev/stdout}"
