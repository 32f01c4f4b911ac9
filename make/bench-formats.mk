##@ Measure
HOURS ?= 10

.PHONY: bench-formats
bench-formats: $(DEV) ## Memory of a long story in WAV, Opus and M4B [HOURS=10]
	$(BIN)/python -m benchmarks.memory_of_formats --hours $(HOURS)
