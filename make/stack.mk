# The stack: preview it, deploy it, look at it. STACK chooses which.
# A name that is exported, as pipeline.mk does with this one, counts as set: ?= would leave it empty.
ifeq ($(STACK),)
STACK := production
endif
LINES ?= 50
DOCKER ?= docker

# The engine, for tests and for those who have none; the release brings the Python host along, which `up` needs.
.tools/bin/pulumi: tools/go.mod tools/go.sum
	@command -v go >/dev/null || { echo "the Pulumi CLI is built with Go (go.dev/dl); or put a pulumi on PATH" >&2; exit 1; }
	@echo "building the Pulumi CLI from its Go module: two minutes on two idle cores"
	@cd tools && go build -trimpath -o ../.tools/bin/pulumi -ldflags "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=$$(go list -m -f '{{.Version}}' github.com/pulumi/pulumi/pkg/v3)" github.com/pulumi/pulumi/pkg/v3/cmd/pulumi

.PHONY: tools
tools: ## Build the Pulumi CLI for the tests into .tools, unless one is on PATH
	@command -v pulumi >/dev/null || $(MAKE) .tools/bin/pulumi

.PHONY: need-pulumi need-aws need-docker
need-pulumi:
	@command -v pulumi >/dev/null || { echo "the Pulumi CLI is not on PATH: www.pulumi.com/docs/iac/download-install" >&2; exit 1; }
	@pulumi whoami >/dev/null 2>&1 || { echo "Pulumi is not logged in: pulumi login, or pulumi login s3://your-state-bucket" >&2; exit 1; }

need-aws: $(DEV)
	@$(BIN)/python -m stack.operations credentials

need-docker:
	@command -v $(DOCKER) >/dev/null || { echo "$(DOCKER) is not on PATH: building an image needs docs.docker.com/get-docker" >&2; exit 1; }
	@$(DOCKER) info >/dev/null 2>&1 || { echo "the Docker daemon does not answer: start Docker" >&2; exit 1; }

.PHONY: preview up destroy deploy rollback outputs info environment logs
preview: need-pulumi need-aws ## What an up would change [STACK=production]
	@pulumi preview --diff --stack "$(STACK)"

up: need-pulumi need-aws ## Provision, build and deploy; asks before it acts
	@pulumi up --stack "$(STACK)"

destroy: need-pulumi need-aws ## Delete the stack's resources; asks, and refuses while data are protected
	@pulumi destroy --stack "$(STACK)"

deploy: need-pulumi need-aws ## Build from these sources and deploy, also after a rollback [TAG=v1.4.0]
	@pulumi config rm --stack "$(STACK)" --path 'story-tts:image.existing_tag' 2>/dev/null || true
	@pulumi config rm --stack "$(STACK)" --path 'story-tts:image.existing_digest' 2>/dev/null || true
	@pulumi config $(if $(TAG),set,rm) --stack "$(STACK)" story-tts:app_image_tag $(if $(TAG),"$(TAG)",2>/dev/null || true)
	@pulumi up --stack "$(STACK)"

rollback: ## Deploy an image that is in the repository, building nothing: TAG=tag
	@test -n "$(TAG)" || { echo "which image? make rollback TAG=v1.3.0 (make info shows the one that runs)" >&2; exit 1; }
	@$(MAKE) need-pulumi need-aws
	@pulumi config rm --stack "$(STACK)" story-tts:app_image_tag 2>/dev/null || true
	@pulumi config rm --stack "$(STACK)" --path 'story-tts:image.existing_digest' 2>/dev/null || true
	@pulumi config set --stack "$(STACK)" --path 'story-tts:image.existing_tag' "$(TAG)"
	@pulumi up --stack "$(STACK)"

outputs: need-pulumi ## The stack's outputs
	@pulumi stack output --stack "$(STACK)"

info: need-pulumi need-aws ## Service, tasks, image, queue, dead letters, last log lines, dashboard
	@$(BIN)/python -m stack.operations info "$(STACK)"

environment: need-pulumi $(DEV) ## Lines that point story-tts at STACK: eval "$(make environment)"
	@$(BIN)/python -m stack.operations environment "$(STACK)"

logs: need-pulumi need-aws ## The worker's last log lines [LINES=50]
	@$(BIN)/python -m stack.operations logs "$(STACK)" "$(LINES)"

.PHONY: build push
build: need-docker ## Build the image story-tts:local
	$(DOCKER) build --tag story-tts:local .

push: need-pulumi need-aws need-docker ## Push story-tts:local to the stack's repository: TAG=tag
	@test -n "$(TAG)" || { echo "under which tag? make push TAG=v1.4.0" >&2; exit 1; }
	@$(BIN)/python -m stack.operations push "$(STACK)" "$(TAG)"

.PHONY: mutations
mutations: $(DEV) ## Change one number of the stack at a time: which test notices?
	$(BIN)/python -m tests.stack.mutations

# The tests run the real engine.
test coverage: | tools
