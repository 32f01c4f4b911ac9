# What the workflows run. IMAGE is a tag, a digest, `running`, or nothing to build it; STACK names the stack.
# Values come to the shell through the environment alone: what somebody typed into a form is never a command.
export STACK
export IMAGE
OPS = $(BIN)/python -m ops
# Steps that may write to the repository install nothing first.
BARE_OPS = $(PYTHON) -m ops

.PHONY: preview-report preview-page preview-verdict preview-comment release scan smoke same-image \
  drift-report drift-page drift-issue github-roles

preview-report: $(DEV)
	$(OPS) preview --stack "$$STACK" --image "$${IMAGE:-}"

preview-page: $(DEV)
	$(OPS) page

preview-verdict: $(DEV)
	$(OPS) verdict

preview-comment:
	$(BARE_OPS) comment

release: $(DEV) ## Deploy STACK without asking [IMAGE=tag or digest, else it is built]
	$(OPS) release --stack "$$STACK" --image "$${IMAGE:-}"

scan: $(DEV) ## What ECR's scan found in the image that STACK runs
	$(OPS) scan --stack "$$STACK"

smoke: $(DEV) ## A short story through STACK as it is deployed
	$(BIN)/story-tts smoke --stack "$$STACK" --timeout "$${SMOKE_TIMEOUT:-900}"

same-image: $(DEV)
	$(OPS) same-image --stack "$$STACK" --image "$${IMAGE:-}"

drift-report: $(DEV)
	$(OPS) drift --stack "$$STACK" --image "$${IMAGE:-}"

drift-page: $(DEV)
	$(OPS) drift-page

drift-issue:
	$(BARE_OPS) drift-issue

github-roles: $(DEV) ## Create the roles that workflows assume [REPOSITORY=owner@1/name@2 STATE_BUCKET=bucket]
	$(OPS) roles --repository "$(REPOSITORY)" --state-bucket "$(STATE_BUCKET)"
