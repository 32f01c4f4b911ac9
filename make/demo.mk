##@ Narrate on this machine
ENGINE ?= espeak

.PHONY: install speech demo local
install: $(DEMO) ## Install story-tts with the built-in voice, 470 MB

speech: $(SPEECH) ## Install Kokoro and WhisperX with their models, 9 GB
	$(BIN)/story-tts models fetch

demo: $(if $(filter kokoro,$(ENGINE)),$(SPEECH),$(DEMO)) ## Narrate a story into out/demo [ENGINE=espeak|kokoro]
	$(if $(filter kokoro,$(ENGINE)),$(BIN)/story-tts models fetch)
	$(BIN)/story-tts demo --engine $(ENGINE) --output out/demo

local: $(DEMO) ## Run the whole service until Ctrl-C
	$(BIN)/story-tts local
