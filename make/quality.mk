# What a change must pass: the quick loop, and the whole.
PYTEST_JOBS ?= 2
PYTEST       = $(BIN)/python -m pytest

.PHONY: check lint format types quick-tests test coverage coverage-summary

check: lint types quick-tests ## Lint, types and quick tests: the inner loop, under a minute

lint: $(DEV) lint-workflows lint-scripts lint-dockerfile ## ruff, formatting, import rules, workflows, Dockerfile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: $(DEV) ## Format and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(DEV) ## mypy, strict
	$(BIN)/mypy

quick-tests: $(DEV)
	$(PYTEST) -q -n $(PYTEST_JOBS) -m "not slow and not speech"

test: $(SPEECH) ## Every test: both packages, real processes, real engines
	$(PYTEST) -n $(PYTEST_JOBS) --dist loadfile $(PYTEST_FLAGS)

coverage: $(SPEECH) ## Every test, with coverage in the terminal and coverage.xml
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(PYTEST_FLAGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage xml -q
	$(BIN)/coverage report

coverage-summary: $(DEV)
	$(BIN)/coverage report --format=markdown >> "$${GITHUB_STEP_SUMMARY:-/dev/stdout}"
