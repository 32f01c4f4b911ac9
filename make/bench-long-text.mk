##@ Measure
.PHONY: bench-long-text
bench-long-text: $(DEMO) ## Memory and time of narrating 1 MiB of prose
	$(BIN)/python benchmarks/memory_of_long_text.py
