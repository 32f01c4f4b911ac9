##@ Develop
# The AWS provider of Terraform, which Pulumi's is made of, built from its Go module: no registry has to be asked.
PROVIDER_FOLDER ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/story-tts-provider
PROVIDER        := $(PROVIDER_FOLDER)/terraform-provider-aws
PROVIDER_MODULE := github.com/hashicorp/terraform-provider-aws
PROVIDER_JOBS   ?= 2
CONFIGURATIONS  ?=

.PHONY: provider test-provider
# An existing build is used if it is of the version in tools/provider/go.mod.
provider: ## Build the AWS provider into the cache: an hour of CPU time
	@command -v go >/dev/null || { echo "the provider is built with Go: go.dev/dl" >&2; exit 1; }
	@version=$$(cd tools/provider && go list -m -f '{{.Version}}' $(PROVIDER_MODULE)); \
	if go version -m "$(PROVIDER)" 2>/dev/null | grep -qF "$(PROVIDER_MODULE)	$$version"; then \
	  echo "$(PROVIDER) is $$version"; exit 0; \
	fi; \
	packages=$$(cd tools/provider && go list -deps $(PROVIDER_MODULE) | wc -l); \
	echo "building $$version from $$packages packages: an hour of CPU time, 7 GB of memory, 10 GB of build cache;"; \
	echo "an interrupted build goes on where it stopped"; \
	mkdir -p "$(PROVIDER_FOLDER)"; \
	(cd tools/provider && nice go build -v -p 2 -trimpath -ldflags "-s -w" -o "$(PROVIDER)" $(PROVIDER_MODULE)) 2>&1 \
	  | awk -v all="$$packages" '!/^[a-z0-9._\/-]+$$/ { print; next } ++built % 50 == 0 { print built " of at most " all " packages built"; fflush() }'; \
	echo "built $(PROVIDER)"

test-provider: provider $(DEV) ## Run the stack through it [CONFIGURATIONS=spot]
	@command -v terraform >/dev/null || { echo "Terraform 1.11 or later is not on PATH: developer.hashicorp.com/terraform/install" >&2; exit 1; }
	@STORY_TTS_PROVIDER="$(PROVIDER_FOLDER)" $(BIN)/python -m tests.provider --jobs $(PROVIDER_JOBS) $(CONFIGURATIONS)
