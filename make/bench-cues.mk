##@ Measure
.PHONY: bench-cues
bench-cues: $(DEMO) ## Share of cues that follow each reading rule
	$(BIN)/python -m benchmarks.cues
