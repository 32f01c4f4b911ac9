# The main job, on this machine alone.
ENGINE ?= espeak

.PHONY: demo local
demo: $(if $(filter kokoro,$(ENGINE)),$(SPEECH),$(DEMO)) ## A story through queue, worker and bucket into out/demo [ENGINE=espeak|kokoro]
	$(if $(filter kokoro,$(ENGINE)),$(BIN)/story-tts models fetch)
	$(BIN)/story-tts demo --engine $(ENGINE) --output out/demo

local: $(DEMO) ## The whole service on this machine until Ctrl-C
	$(BIN)/story-tts local
