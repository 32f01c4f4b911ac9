##@ Develop
# Generated pages and pictures.
.PHONY: docs docs-check picture sample

docs: $(DEV) ## Regenerate docs/reference from the code
	$(BIN)/python -m tools.reference

docs-check: $(DEV)
	$(BIN)/python -m tools.reference --check

picture: $(DEMO) chromium ## Redraw the pictures in the README
	$(BIN)/python -m tools.picture

sample: $(SPEECH) ## Narrate the README's sample; needs `make real-voices`
	$(BIN)/python -m tools.sample
