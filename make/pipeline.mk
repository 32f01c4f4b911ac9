##@ Deploy and operate
# What the workflows run. STACK names the stack; IMAGE is a tag, a digest, `running`, or empty to build the image.
# Values reach the shell through the environment only, so that a value typed into a form is never run as a command.
export STACK
export IMAGE
OPS = $(BIN)/python -m ops
# A step that may write to the repository installs nothing first.
BARE_OPS = $(PYTHON) -m ops

.PHONY: preview-report preview-page preview-comment release scan smoke same-image drift github-roles

preview-report: $(DEV) $(POLICIES)
	$(OPS) preview --stack "$$STACK" --image "$${IMAGE:-}"

preview-page: $(DEV)
	$(OPS) preview-page

preview-comment:
	$(BARE_OPS) preview-comment

release: need-stack $(DEV) $(POLICIES) ## Deploy without asking: STACK=name [IMAGE=tag|digest]
	$(OPS) release --stack "$$STACK" --image "$${IMAGE:-}"

scan: $(DEV) ## Fail if ECR's scan of the image has critical findings
	$(OPS) scan --stack "$$STACK"

smoke: $(DEV) ## Send a short story through the service and check it
	@variables="$$($(OPS) environment --stack "$$STACK")" && eval "$$variables" && \
	  $(BIN)/story-tts smoke --timeout "$${SMOKE_TIMEOUT:-900}"

same-image: $(DEV)
	$(OPS) same-image --stack "$$STACK" --image "$${IMAGE:-}"

drift: $(DEV) ## Fail if cloud and program differ [IMAGE=running]
	$(OPS) drift --stack "$$STACK" --image "$${IMAGE:-}"

# REPOSITORY=owner@1/name@2 STATE_BUCKET=bucket, and for story-infra: [CLUSTERS="name..."] [PASS_ROLES="arn..."]
# [TERRAFORM_BUCKET=bucket]
github-roles: $(DEV) ## Create the workflows' roles: REPOSITORY= STATE_BUCKET=
	$(OPS) roles --repository "$(REPOSITORY)" --state-bucket "$(STATE_BUCKET)" --clusters "$(CLUSTERS)" \
	  --pass-roles "$(PASS_ROLES)" $(if $(TERRAFORM_BUCKET),--terraform-bucket "$(TERRAFORM_BUCKET)")
