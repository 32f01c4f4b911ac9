# The image, and what speech costs, measured.
.PHONY: test-image bench-memory bench-speed bench-start bench-overhead bench-alignment bench-cost

test-image: $(if $(STAND_IN_MODELS),$(SPEECH),$(DEV)) ## Build the image with buildah and run the worker inside it: root, minutes [ENGINE=espeak]
	@for tool in buildah debootstrap unshare; do command -v $$tool >/dev/null || \
	  { echo "$$tool is not installed: apt-get install buildah debootstrap util-linux" >&2; exit 1; }; done
	@unshare --mount true 2>/dev/null || { echo "test-image mounts file systems: run it as root, outside of a plain container" >&2; exit 1; }
	ENGINE=$(ENGINE) $(PYTEST) -q -s tests/image/built.py

bench-memory: $(SPEECH) ## Peak memory of a task that narrates 5 and 60 minutes with Kokoro and WhisperX: an hour
	$(BIN)/python -m benchmarks.memory

bench-speed: $(SPEECH) ## Synthesis time against Kokoro's own pipeline
	$(BIN)/python -m benchmarks.speed

bench-start: $(SPEECH) ## From the start of a worker to healthy, and to the first audio of a job
	$(BIN)/python -m benchmarks.start

bench-overhead: $(SPEECH) ## What narration takes beside Kokoro and WhisperX themselves
	$(BIN)/python -m benchmarks.overhead

bench-alignment: $(SPEECH) ## Error of word onsets against espeak-ng's known times, through WhisperX
	$(BIN)/python -m benchmarks.alignment

bench-cost: $(SPEECH) ## What an hour of audio costs on Fargate, from the measured speed
	$(BIN)/python -m benchmarks.cost
