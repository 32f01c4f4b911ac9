# What narration costs, measured.
.PHONY: bench-long-text
bench-long-text: $(DEMO) ## Memory and time of 1 MiB of prose: does memory grow with the story?
	$(BIN)/python benchmarks/memory_of_long_text.py
