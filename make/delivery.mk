# What the workflows run. IMAGE is a tag, a digest, `running`, or nothing to build it; STACK names the stack.
# Values come to the shell through the environment alone: what somebody typed into a form is never a command.
export STACK
export IMAGE
DELIVERY = $(BIN)/python -m delivery
# Steps that may write to the repository install nothing first.
BARE_DELIVERY = $(PYTHON) -m delivery

.PHONY: preview-report preview-page preview-verdict preview-comment release scan smoke same-image \
  drift-report drift-page drift-issue github-roles

preview-report: $(DEV)
	$(DELIVERY) preview --stack "$$STACK" --image "$${IMAGE:-}"

preview-page: $(DEV)
	$(DELIVERY) page

preview-verdict: $(DEV)
	$(DELIVERY) verdict

preview-comment:
	$(BARE_DELIVERY) comment

release: $(DEV) ## Deploy STACK without asking [IMAGE=tag or digest, else it is built]
	$(DELIVERY) release --stack "$$STACK" --image "$${IMAGE:-}"

scan: $(DEV) ## What ECR's scan found in the image that STACK runs
	$(DELIVERY) scan --stack "$$STACK"

smoke: $(DEV) ## A short story through STACK as it is deployed
	$(BIN)/story-tts smoke --stack "$$STACK" --timeout "$${SMOKE_TIMEOUT:-900}"

same-image: $(DEV)
	$(DELIVERY) same-image --stack "$$STACK" --image "$${IMAGE:-}"

drift-report: $(DEV)
	$(DELIVERY) drift --stack "$$STACK" --image "$${IMAGE:-}"

drift-page: $(DEV)
	$(DELIVERY) drift-page

drift-issue:
	$(BARE_DELIVERY) drift-issue

github-roles: $(DEV) ## Create the roles that workflows assume [REPOSITORY=owner@1/name@2 STATE_BUCKET=bucket]
	$(DELIVERY) roles --repository "$(REPOSITORY)" --state-bucket "$(STATE_BUCKET)"
