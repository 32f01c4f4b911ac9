# Whether subtitles keep the reading rules, measured.
.PHONY: bench-cues
bench-cues: $(DEMO) ## Share of cues that keep each reading rule, on the corpus as espeak-ng speaks it
	$(BIN)/python -m benchmarks.cues
