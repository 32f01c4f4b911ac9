##@ Deploy and operate
# STACK names the stack, production by default. A target that deletes or deploys without asking has no default.
# pipeline.mk exports STACK, so that make takes it for set: `?=` would leave it empty.
STACK_GIVEN := $(STACK)
ifeq ($(STACK),)
STACK := production
endif
LINES ?= 50
DOCKER ?= docker

# The CLI for the tests. `pulumi up` also needs the Python language host, which a release of Pulumi includes.
.tools/bin/pulumi: tools/go.mod tools/go.sum
	@command -v go >/dev/null || { echo "the Pulumi CLI is built with Go (go.dev/dl); or put a pulumi on PATH" >&2; exit 1; }
	@echo "building the Pulumi CLI from its Go module: about two minutes" >&2
	@cd tools && go build -trimpath -o ../.tools/bin/pulumi -ldflags "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=$$(go list -m -f '{{.Version}}' github.com/pulumi/pulumi/pkg/v3)" github.com/pulumi/pulumi/pkg/v3/cmd/pulumi

# The second emulator of AWS has an environment of its own, because it pins botocore; the policy pack, because it pins
# protobuf.
.tools/ministack/bin/ministack: requirements/ministack.txt
	$(call install_apart,ministack)

$(POLICIES): requirements/policies.txt
	$(call install_apart,policies)

define install_apart
	@$(PYTHON) -m venv .tools/$(1) >&2
	@.tools/$(1)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $< >&2
	@touch $@
endef

.PHONY: tools
tools: .tools/ministack/bin/ministack $(POLICIES) ## Install what tests need into .tools
	@command -v pulumi >/dev/null || $(MAKE) .tools/bin/pulumi

.PHONY: need-stack need-tag need-pulumi need-aws need-docker
need-stack:
	@test -n "$(STACK_GIVEN)" || { echo "name the stack: make $(firstword $(MAKECMDGOALS)) STACK=name" >&2; exit 1; }

need-tag:
	@test -n "$(TAG)" || { echo "name the image: make $(firstword $(MAKECMDGOALS)) TAG=v1.3.0 (make info shows the deployed one)" >&2; exit 1; }

need-pulumi:
	@command -v pulumi >/dev/null || { echo "the Pulumi CLI is not on PATH: www.pulumi.com/docs/iac/download-install" >&2; exit 1; }
	@pulumi whoami >/dev/null 2>&1 || { echo "Pulumi is not logged in: pulumi login, or pulumi login s3://your-state-bucket" >&2; exit 1; }

need-aws: $(DEV)
	@$(OPS) credentials

need-docker:
	@command -v $(DOCKER) >/dev/null || { echo "$(DOCKER) is not on PATH: building an image needs docs.docker.com/get-docker" >&2; exit 1; }
	@$(DOCKER) info >/dev/null 2>&1 || { echo "the Docker daemon does not answer: start Docker" >&2; exit 1; }

.PHONY: preview up destroy deploy rollback outputs info environment logs
preview: need-pulumi need-aws $(POLICIES) ## Show what `make up` would change [STACK=production]
	@pulumi preview --diff --policy-pack policies --stack "$(STACK)"

up: need-pulumi need-aws $(POLICIES) ## Provision, build and deploy; asks first
	@pulumi up --policy-pack policies --stack "$(STACK)"

destroy: need-stack need-pulumi need-aws ## Delete a stack: STACK=name; fails while data is protected
	@pulumi destroy --stack "$(STACK)"

deploy: need-pulumi need-aws $(POLICIES) ## Build and deploy, also after a rollback [TAG=v1.4.0]
	@pulumi config rm --stack "$(STACK)" --path 'story-tts:image.existing_tag' 2>/dev/null || true
	@pulumi config rm --stack "$(STACK)" --path 'story-tts:image.existing_digest' 2>/dev/null || true
	@pulumi config $(if $(TAG),set,rm) --stack "$(STACK)" story-tts:app_image_tag $(if $(TAG),"$(TAG)",2>/dev/null || true)
	@pulumi up --policy-pack policies --stack "$(STACK)"

rollback: need-tag need-pulumi need-aws $(POLICIES) ## Deploy an image from the repository: TAG=tag
	@pulumi config rm --stack "$(STACK)" story-tts:app_image_tag 2>/dev/null || true
	@pulumi config rm --stack "$(STACK)" --path 'story-tts:image.existing_digest' 2>/dev/null || true
	@pulumi config set --stack "$(STACK)" --path 'story-tts:image.existing_tag' "$(TAG)"
	@pulumi up --policy-pack policies --stack "$(STACK)"

outputs: need-pulumi ## Show the stack's outputs
	@pulumi stack output --stack "$(STACK)"

info: need-pulumi need-aws ## Show service, tasks, queue, dead letters, dashboard, log
	@$(OPS) info --stack "$$STACK"

environment: need-pulumi $(DEV) ## Point story-tts at the stack: eval "$(make environment)"
	@$(OPS) environment --stack "$$STACK"

logs: need-pulumi need-aws ## Show the last log lines [LINES=50]
	@$(OPS) logs --stack "$$STACK" --lines "$(LINES)"

.PHONY: build push
build: need-docker ## Build the image as story-tts:local
	$(DOCKER) build --tag story-tts:local .

push: need-tag need-pulumi need-aws need-docker ## Push story-tts:local to the stack's repository: TAG=tag
	@$(OPS) push --stack "$$STACK" --tag "$(TAG)"

##@ Develop
# The tests run the real Pulumi engine.
test coverage: | tools

##@ Measure
.PHONY: simulate-scaling
simulate-scaling: $(DEV) ## Simulate the service's scaling under six workloads
	$(BIN)/python -m benchmarks.scaling $(SCALING)
