# Linters for what is not Python: workflows, shell scripts, the Dockerfile.
ACTIONLINT = $(shell command -v actionlint || echo .tools/bin/actionlint)

.PHONY: lint-workflows lint-scripts lint-dockerfile

.tools/bin/actionlint: tools/actionlint/go.mod tools/actionlint/go.sum
	@cd tools/actionlint && go build -trimpath -o ../../.tools/bin/actionlint github.com/rhysd/actionlint/cmd/actionlint

# actionlint is a Go program. Without Go it is skipped with a message, except in CI.
lint-workflows: $(DEV)
	@if command -v actionlint go >/dev/null; then \
	  { command -v actionlint >/dev/null || $(MAKE) --silent .tools/bin/actionlint; } \
	    && PATH="$(CURDIR)/$(BIN):$$PATH" $(ACTIONLINT); \
	elif [ -n "$${CI:-}" ]; then echo "actionlint needs Go (go.dev/dl), or put actionlint on PATH" >&2; exit 1; \
	else echo "actionlint is skipped: it needs Go" >&2; fi
	$(BIN)/zizmor --offline --no-progress --quiet --persona pedantic .github

lint-scripts: $(DEV)
	$(BIN)/shellcheck .ci/run

lint-dockerfile: $(DEV)
	$(BIN)/hadolint Dockerfile
